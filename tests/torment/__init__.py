"""A hostile programme: the real program, called, fed, cut off and damaged in many ways."""
