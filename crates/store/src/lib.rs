//! The message store: the log on disk, the store in memory, the index of subjects.
