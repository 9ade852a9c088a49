"""The one way out: what changes a library is planned, shown, applied, journalled and can be undone."""
