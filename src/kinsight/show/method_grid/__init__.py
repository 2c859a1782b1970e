"""Pictures x methods: every method's map of the same pictures, as a page or a figure."""
