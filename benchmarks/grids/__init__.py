"""How fast a point finds its grid."""
