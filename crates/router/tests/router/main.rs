//! What a publish reaches, and where: the crate from outside, against definitions told naively.

mod answers;
mod concurrent;
mod mappings;
mod queues;
mod support;
