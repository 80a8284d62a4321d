"""The pieces that screens are made of: small functions, each used by several screens."""
