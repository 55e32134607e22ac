//! Which crate is in which tier, as data. `ARCHITECTURE.md` shows the same map with its reasons.

/// How far from the outside world a crate is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tier {
    /// What words mean: subjects, protocol frames. Nothing of ours below it.
    Vocabulary,
    /// Decisions without effects: no I/O, clock, randomness, tasks.
    Core,
    /// Cores stepped together, still without effects.
    Composition,
    /// Sockets, files, the clock, tasks.
    Driver,
    /// What only tests use; sees the product from outside.
    TestSupport,
    /// Measures the product from outside and shares no code with it.
    Outside,
}

impl Tier {
    /// Whether time, randomness and everything from outside must be arguments.
    pub fn is_pure(self) -> bool {
        self <= Tier::Composition
    }

    /// Whether it is part of what users run.
    pub fn is_product(self) -> bool {
        self <= Tier::Driver
    }
}

/// Every crate by its directory. Crates of the design that are not there yet have their place
/// already, so that they are born into it.
const TIERS: &[(&str, Tier)] = &[
    ("subject", Tier::Vocabulary),
    ("wire", Tier::Vocabulary),
    ("model", Tier::Vocabulary),
    ("stdx", Tier::Vocabulary),
    ("session", Tier::Core),
    ("router", Tier::Core),
    ("config", Tier::Core),
    ("auth", Tier::Core),
    ("stream", Tier::Core),
    ("consumer", Tier::Core),
    ("store", Tier::Core),
    ("meta", Tier::Core),
    ("gostore", Tier::Core),
    ("api", Tier::Core),
    ("consensus", Tier::Core),
    ("group", Tier::Composition),
    ("testkit", Tier::Composition),
    ("sim", Tier::Composition),
    ("process", Tier::Driver),
    ("tls", Tier::Driver),
    ("monitor", Tier::Driver),
    ("server", Tier::Driver),
    ("natsconf", Tier::Driver),
    ("cli", Tier::Driver),
    ("conformance", Tier::TestSupport),
    ("tidy", Tier::TestSupport),
    ("bench", Tier::Outside),
];

/// A dependency between crates of one tier that is allowed all the same.
pub struct SameTier {
    /// The crate that depends.
    pub from: &'static str,
    /// The crate it depends on.
    pub to: &'static str,
    /// Why.
    pub reason: &'static str,
}

/// All of them. Drivers may use each other anyway.
pub const SAME_TIER: &[SameTier] = &[
    SameTier {
        from: "session",
        to: "auth",
        reason: "a session asks its user's permissions at every publish and subscribe; the driver \
                 hands them in ready-made, so auth is vocabulary to it and no second decision maker",
    },
    SameTier {
        from: "config",
        to: "auth",
        reason: "a configuration holds nkeys and JWTs, and one that is mistyped or badly signed is \
                 found when the file is read",
    },
    SameTier {
        from: "model",
        to: "subject",
        reason: "configurations of streams and consumers are made of subjects and filters, and a \
                 valid one holds valid ones",
    },
];

/// The tier of a crate by its directory's name.
pub fn tier_of(name: &str) -> Option<Tier> {
    TIERS
        .iter()
        .find(|(known, _)| *known == name)
        .map(|(_, tier)| *tier)
}
