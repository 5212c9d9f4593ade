"""A shop with the Store API, made of seeded data: for demonstrations, tests and load, never for sales."""
