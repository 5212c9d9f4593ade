"""The call: pure asyncio, free of Ray and of web frameworks."""
