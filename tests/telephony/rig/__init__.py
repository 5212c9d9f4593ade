"""A real Asterisk and real SIP callers for the tests: unpacked into a folder of their own, on loopback alone."""
