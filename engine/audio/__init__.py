"""Telephone audio: the AudioSocket wire, playout, voice activity, resampling."""
