"""Searches that train few epochs first and promote what does well."""
