//! The stream: which message is stored, and what becomes of it.
