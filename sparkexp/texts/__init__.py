"""Texts that users read: the name that was probably meant, and foreign texts made safe."""
