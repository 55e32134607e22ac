//! A stream and its consumers, stepped as one.
