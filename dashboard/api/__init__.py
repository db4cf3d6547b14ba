"""The API: what the pages show and do, as JSON, for programs that come with a token (docs/api.md)."""
