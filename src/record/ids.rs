//! The numbers that records carry.

use std::fmt;

/// A record's number in its log. Never negative where it is one; plain arithmetic is wanted, so it
/// is no type of its own.
pub type Offset = i64;

/// Milliseconds since 1970-01-01 UTC. Out of order and negative ones are legal; −1 on the wire
/// means "none" and is `None` here.
pub type Timestamp = i64;

macro_rules! number {
    ($(#[$doc:meta])* $name:ident, $inner:ty) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub $inner);

        impl $name {
            /// From the wire, where −1 (and anything below) means none.
            pub(crate) const fn from_wire(raw: $inner) -> Option<Self> {
                if raw < 0 { None } else { Some(Self(raw)) }
            }

            /// For the wire, where −1 means none.
            pub(crate) fn to_wire(this: Option<Self>) -> $inner {
                this.map_or(-1, |number| number.0)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

number!(
    /// The term in which a batch was appended. It only grows along a log.
    LeaderEpoch,
    i32
);
number!(
    /// Who an idempotent or transactional producer is.
    ProducerId,
    i64
);
number!(
    /// Which incarnation of a producer; a later one fences the earlier.
    ProducerEpoch,
    i16
);
number!(
    /// The number that an idempotent producer gives a record, for each log anew; 2³¹−1 is followed
    /// by 0.
    Sequence,
    i32
);

impl Sequence {
    /// The sequence `n` records later (`n` is not negative).
    #[must_use]
    pub const fn plus(self, n: i32) -> Sequence {
        match self.0.checked_add(n) {
            Some(sum) => Sequence(sum),
            None => Sequence(n - (i32::MAX - self.0) - 1),
        }
    }

    /// The sequence `n` records earlier (`n` is not negative).
    #[must_use]
    pub const fn minus(self, n: i32) -> Sequence {
        if self.0 >= n { Sequence(self.0 - n) } else { Sequence(i32::MAX - (n - self.0) + 1) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sequences_wrap_from_the_greatest_to_zero_and_back() {
        assert_eq!(Sequence(i32::MAX).plus(1), Sequence(0));
        assert_eq!(Sequence(i32::MAX - 1).plus(3), Sequence(1));
        assert_eq!(Sequence(0).minus(1), Sequence(i32::MAX));
        assert_eq!(Sequence(1).minus(3), Sequence(i32::MAX - 1));
        assert_eq!(Sequence(7).plus(0).minus(7), Sequence(0));
    }
}
