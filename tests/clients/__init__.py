"""Stock clients of several ages and kinds, each in an environment of its own, against one live hub."""
