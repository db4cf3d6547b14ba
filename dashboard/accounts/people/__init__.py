"""People and groups: made, changed and deleted by administrators of the whole site; every act is recorded."""
