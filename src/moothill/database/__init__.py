"""The database under Moothill: pool, wire, named queries, migrations, roles, guards, the embedded server."""
