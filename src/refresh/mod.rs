//! Refresh tokens: opaque, rotated at each use.
