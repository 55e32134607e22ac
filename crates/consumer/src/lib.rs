//! The consumer: which message is delivered next, and what became of it.
