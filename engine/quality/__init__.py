"""How good a finished call was, by eight criteria. Pure: records in, scores out; a model is asked through its port."""
