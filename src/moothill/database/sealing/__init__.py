"""Envelope encryption of designated fields: what is sealed, with which key, and how it is read again.

`fields` names the columns, `envelope` what a sealed value looks like, `keys` seals and opens with a tenant's data
keys, `ring` holds those keys for a short time, `wrapping` and `transit` unwrap them, `statements` sits between the
named queries and the wire, `rewriting` goes over what is stored already.
"""
