"""A client that breaks the contract: once for each thing that the contract asks of a client.

`violations.py` is the table, one row for each violation; `test_violations.py` makes them against a real server.
"""
