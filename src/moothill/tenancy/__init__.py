"""Tenants, their keys, and what keeps them apart."""
