"""The machinery behind run.py: certificates, keys, servers, client programs."""
