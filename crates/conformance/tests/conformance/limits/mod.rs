//! Limits and protection: what is refused, and who is cut off.

mod churn;
mod counts;
mod lame_duck;
mod producer_stalls;
mod slow_consumers;
mod timers;
