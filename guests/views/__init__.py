"""Pages and fragments of guests; one module per page. Views hand every change to `operations`."""
