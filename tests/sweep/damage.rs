//! What can happen to one file, numbered: each number is one damage, and all of them are every one.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use strandline::testing::sim::Image;

pub(crate) const SECTOR: usize = 512;
/// By how much a file is too long: nothing, an odd end, more than a page.
const LONGER: [usize; 3] = [1, 61, 4096 + 7];

/// What happens to a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Damage {
    /// A bit is flipped; counted from the first byte's lowest.
    Bit(usize),
    /// A sector holds zeros.
    Zero(usize),
    /// A sector holds 0xff.
    Ones(usize),
    /// A sector and the next one are in each other's place.
    Swap(usize),
    /// The file is so long.
    Cut(usize),
    /// So many zeros follow.
    Zeros(usize),
    /// So many other bytes follow.
    Garbage(usize),
    /// The file is gone.
    Gone,
    /// A directory is in its place.
    Dir,
    /// A pipe or a link is.
    Other,
}

use Damage::{Bit, Cut, Dir, Garbage, Gone, Ones, Other, Swap, Zero, Zeros};

impl Damage {
    /// How many there are to a file of `len` bytes.
    pub(crate) fn count(len: usize) -> usize {
        let sectors = len.div_ceil(SECTOR);
        len * 8 + 2 * sectors + sectors.saturating_sub(1) + len + 2 * LONGER.len() + 3
    }

    /// The one of number `n`.
    pub(crate) fn of(mut n: usize, len: usize) -> Damage {
        type Make = fn(usize) -> Damage;
        let sectors = len.div_ceil(SECTOR);
        let kinds: [(usize, Make); 7] = [
            (len * 8, Bit),
            (sectors, Zero),
            (sectors, Ones),
            (sectors.saturating_sub(1), Swap),
            (len, Cut),
            (LONGER.len(), |n| Zeros(LONGER[n])),
            (LONGER.len(), |n| Garbage(LONGER[n])),
        ];
        for (count, make) in kinds {
            if n < count {
                return make(n);
            }
            n -= count;
        }
        [Gone, Dir, Other][n]
    }

    /// The kind, for a list.
    pub(crate) fn kind(self) -> &'static str {
        match self {
            Bit(_) => "bit",
            Zero(_) => "zero",
            Ones(_) => "ones",
            Swap(_) => "swap",
            Cut(_) => "cut",
            Zeros(_) => "zeros",
            Garbage(_) => "garbage",
            Gone => "gone",
            Dir => "dir",
            Other => "other",
        }
    }

    /// What a file that held `before` holds afterwards; none if it is no file any more.
    pub(crate) fn done_to(self, before: &[u8]) -> Option<Vec<u8>> {
        let mut bytes = before.to_vec();
        let sector = |n: usize| n * SECTOR..((n + 1) * SECTOR).min(before.len());
        match self {
            Bit(n) => bytes[n / 8] ^= 1 << (n % 8),
            Zero(n) => bytes[sector(n)].fill(0),
            Ones(n) => bytes[sector(n)].fill(0xff),
            // The last sector may be short: what follows is in its place then.
            Swap(n) => bytes[n * SECTOR..sector(n + 1).end].rotate_left(SECTOR),
            Cut(len) => bytes.truncate(len),
            Zeros(more) => bytes.resize(before.len() + more, 0),
            Garbage(more) => bytes.extend((0..more).map(|at| (at * 37 + at / 7) as u8 ^ 0xa5)),
            Gone | Dir | Other => return None,
        }
        Some(bytes)
    }

    /// An image in which `path` holds `after`, or what this has made of it.
    pub(crate) fn put(self, image: &Image, path: &str, after: Option<Arc<Vec<u8>>>) -> Image {
        let mut image = image.clone();
        match (self, after) {
            (Dir, _) => image.put_dir(path),
            (Other, _) => image.put_other(path),
            (_, Some(after)) => image.put(path, after),
            (_, None) => image.remove(path),
        }
        image
    }
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Bit(n) | Zero(n) | Ones(n) | Swap(n) | Cut(n) | Zeros(n) | Garbage(n) => {
                write!(f, "{} {n}", self.kind())
            }
            Gone | Dir | Other => f.write_str(self.kind()),
        }
    }
}

impl FromStr for Damage {
    type Err = String;

    fn from_str(text: &str) -> Result<Damage, String> {
        let (kind, number) = text.trim().split_once(' ').unwrap_or((text.trim(), "0"));
        let number = number.parse().map_err(|_| format!("{number} is no number"))?;
        let all = [
            Bit(number),
            Zero(number),
            Ones(number),
            Swap(number),
            Cut(number),
            Zeros(number),
            Garbage(number),
            Gone,
            Dir,
            Other,
        ];
        all.into_iter().find(|damage| damage.kind() == kind).ok_or(format!("{text}: no damage"))
    }
}

#[test]
fn every_damage_has_a_number_and_a_name() {
    for len in [0, 1, 511, 512, 513, 1500] {
        let all: Vec<_> = (0..Damage::count(len)).map(|n| Damage::of(n, len)).collect();
        for damage in &all {
            assert_eq!(damage.to_string().parse(), Ok(*damage));
        }
        let distinct: std::collections::BTreeSet<_> = all.iter().collect();
        assert_eq!(distinct.len(), all.len());
    }
}
