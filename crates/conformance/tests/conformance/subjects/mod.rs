//! Subjects: wildcards, queue groups and mappings.

mod mappings;
mod queues;
mod wildcards;
