//! Limits and protection: what is refused, and who is cut off.

mod churn;
mod counts;
mod lame_duck;
mod slow_consumers;
mod timers;
