//! The segments of a view, and how far their times reach.

use std::ops::Deref;
use std::sync::{Arc, OnceLock};

use crate::record::Timestamp;
use crate::segment::Segment;

/// Segments in order of base offset. It never changes: with other segments it is another list. Only
/// the last of them may grow.
#[derive(Debug)]
pub(crate) struct SegmentList {
    all: Vec<Arc<Segment>>,
    /// For each but the last the largest time of it and of those before it, once that was asked for.
    reach: OnceLock<Vec<Timestamp>>,
}

impl From<Vec<Arc<Segment>>> for SegmentList {
    fn from(all: Vec<Arc<Segment>>) -> Self {
        SegmentList { all, reach: OnceLock::new() }
    }
}

impl Deref for SegmentList {
    type Target = [Arc<Segment>];

    fn deref(&self) -> &[Arc<Segment>] {
        &self.all
    }
}

impl SegmentList {
    /// How many segments from the first on do not reach `timestamp`, as far as that is known without
    /// a look at a file: 0 where it is not.
    pub(super) fn before(&self, timestamp: Timestamp) -> usize {
        let reach = match self.reach.get() {
            Some(reach) => reach,
            None => match self.known_reach() {
                Some(reach) => self.reach.get_or_init(|| reach),
                None => return 0,
            },
        };
        reach.partition_point(|&reached| reached < timestamp)
    }

    /// None unless the largest time of each is known.
    fn known_reach(&self) -> Option<Vec<Timestamp>> {
        let (_, finished) = self.all.split_last()?;
        let mut reached = Timestamp::MIN;
        let largest = |segment: &Arc<Segment>| {
            let (largest, _) = segment.known_facts()?.largest?;
            reached = reached.max(largest);
            Some(reached)
        };
        finished.iter().map(largest).collect()
    }
}
