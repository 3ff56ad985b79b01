//! Logs at rest: what was found of a log that nobody writes to is let go once enough others were
//! looked at since, and found again on the disk when the log is next used. So what a store keeps in
//! memory does not grow with the logs that were ever looked at.
//!
//! Only a log rests whose files say all that was known of it, whose next look scans nothing, and
//! that nobody uses or waits for: to who has its handle it is the same before and after.
//!
//! Locks: that of the queue is held across nothing. A log is put to rest by who has just looked at
//! another, and holds no lock; its own is only tried.

use std::collections::VecDeque;
use std::sync::{Arc, PoisonError, Weak};

use super::handle::{Core, Log, State, Using};
use super::housekeeping::Standing;
use super::opened::Opened;
use super::plan::Plan;
use crate::record::Timestamp;
use crate::sync::Mutex;

/// So many logs are asked to rest when one is looked at: one more than comes in.
const MOST_ASKED: usize = 2;
/// A log that was looked at so often had to be because it is used again and again …
const OFTEN: u8 = 5;
/// … and rests only once it was asked so often in a row and not used between. Else who goes round
/// through more logs than stay awake would find each of them at rest.
const PATIENCE: u8 = 32;

/// The logs of a store that were looked at and may come to rest, the oldest first.
#[derive(Debug)]
pub(crate) struct Resting {
    most: usize,
    awake: Mutex<VecDeque<Weak<Core>>>,
}

/// What becomes of a log that is asked to rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    /// It is in use, and asked again later.
    NotNow,
    /// It rests, or never will.
    Out,
}

/// How often a log is used, as far as it matters here.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Habit {
    /// Whether it was used since it was last asked to rest.
    pub(super) was_used: bool,
    /// How often it was looked at because it had not been before, or had come to rest.
    looks: u8,
    patience: u8,
}

impl Habit {
    /// Notes a look.
    pub(super) fn note_look(&mut self) {
        self.looks = self.looks.saturating_add(1);
        self.was_used = self.looks >= OFTEN;
    }

    /// Whether it is to rest, now that it is asked.
    fn agrees(&mut self, is_crowded: bool) -> bool {
        let is_often = self.looks >= OFTEN;
        if std::mem::take(&mut self.was_used) {
            self.patience = if is_often { PATIENCE } else { 0 };
            return is_crowded && !is_often;
        }
        let agrees = self.patience == 0;
        self.patience = self.patience.saturating_sub(1);
        if agrees && is_often {
            self.looks = 0;
        }
        agrees
    }
}

/// Until when housekeeping has nothing to do on a log that nobody writes to; so long it need not look
/// at it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Quiet {
    pub(super) retention: Timestamp,
    pub(super) cleaning: Timestamp,
}

impl Default for Quiet {
    fn default() -> Self {
        Quiet { retention: Timestamp::MIN, cleaning: Timestamp::MIN }
    }
}

impl Resting {
    /// Lets about `most` logs stay awake that nobody writes to; twice as many of those that were
    /// used again meanwhile, and those that are used again and again.
    pub(crate) fn new(most: usize) -> Resting {
        Resting { most, awake: Mutex::default() }
    }

    /// Takes in a log that was just looked at, and asks the oldest to rest if there are too many.
    pub(super) fn enter(&self, core: &Arc<Core>) {
        let entered = Arc::downgrade(core);
        let mut awake = self.awake.lock().unwrap_or_else(PoisonError::into_inner);
        awake.push_back(entered);
        for _ in 0..MOST_ASKED {
            let is_crowded = awake.len() > 2 * self.most;
            if awake.len() <= self.most {
                return;
            }
            let Some(oldest) = awake.pop_front() else { return };
            drop(awake);
            let answer = oldest.upgrade().map_or(Answer::Out, |oldest| oldest.rest(is_crowded));
            awake = self.awake.lock().unwrap_or_else(PoisonError::into_inner);
            if answer == Answer::NotNow {
                awake.push_back(oldest);
            }
        }
    }
}

impl Core {
    /// Lets go of what was found of the log, if it is not needed and can all be found again.
    fn rest(&self, is_crowded: bool) -> Answer {
        let Ok(mut using) = self.using.try_lock() else { return Answer::NotNow };
        let Using { state, habit, .. } = &mut *using;
        let State::Opened(opened) = state else { return Answer::Out };
        // Who has it got it here, under this lock, and who waits for it got that from it: if nobody
        // has it now, nobody comes to have it meanwhile.
        let Some(alone) = Arc::get_mut(opened) else { return Answer::NotNow };
        if Arc::get_mut(&mut alone.published).is_none() {
            return Answer::NotNow;
        }
        if !alone.is_found_again() {
            return Answer::Out;
        }
        if !habit.agrees(is_crowded) {
            return Answer::NotNow;
        }
        let (_, is_clean) = alone.is_untouched_and_clean();
        let view = alone.published.view();
        using.standing = is_clean.then(|| Standing::of(&view));
        let gone = std::mem::take(&mut using.state);
        drop(using);
        drop(gone);
        view.segments.iter().for_each(|segment| segment.forget_indexes());
        Answer::Out
    }
}

impl Opened {
    /// Whether a fresh look at the files would find all that is known here.
    fn is_found_again(&mut self) -> bool {
        let has_cleaned = self.has_cleaned();
        self.untouched_plan().is_some_and(Plan::is_found_again)
            && !has_cleaned
            && self.group.poison().is_none()
            && self.unsynced.is_settled()
    }
}

impl Plan {
    /// Whether planning again finds the same without a scan, for the log was closed or is empty, and
    /// the first write owes nothing that would be found again at such a cost.
    fn is_found_again(&self) -> bool {
        let is_empty = || self.segments.iter().all(|segment| segment.end() == 0);
        let owes_nothing = !self.owes_epochs
            && self.tails.is_empty()
            && self.behind_tail.is_empty()
            && self.swaps.is_empty()
            && self.swapped_out.is_empty()
            && self.replacing.is_empty()
            && self.dead.is_empty()
            && self.missing.is_empty()
            && self.damage.is_empty()
            && (self.cut, self.start_over, self.gap) == (None, None, None);
        owes_nothing && (self.clean || is_empty())
    }
}

impl Log {
    /// Whether nothing of the log's files is kept in memory: it was not used yet, or rests.
    #[cfg(feature = "sim")]
    pub(crate) fn is_at_rest(&self) -> bool {
        matches!(self.0.lock().state, State::Unused)
    }

    /// How it stood when it came to rest, if it is at rest and was closed in order before.
    pub(super) fn standing_at_rest(&self) -> Option<Standing> {
        let using = self.0.lock();
        using.standing.filter(|_| matches!(using.state, State::Unused))
    }

    /// Until when housekeeping has nothing to do on it, if it is at rest.
    pub(super) fn quiet_at_rest(&self) -> Quiet {
        let using = self.0.lock();
        if matches!(using.state, State::Unused) { using.quiet } else { Quiet::default() }
    }

    /// Notes that, as it was just found.
    pub(super) fn note_quiet(&self, note: impl FnOnce(&mut Quiet)) {
        note(&mut self.0.lock().quiet);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_rests_when_it_was_not_used_since_it_was_last_asked_or_others_need_the_room() {
        let mut habit = Habit::default();
        habit.note_look();
        assert!(habit.agrees(false), "it was used once");
        habit.note_look();
        habit.was_used = true;
        assert!(!habit.agrees(false) && habit.agrees(false), "it was used since");
        habit.note_look();
        habit.was_used = true;
        assert!(habit.agrees(true), "too many were used since");
    }

    #[test]
    fn a_log_that_has_to_be_looked_at_again_and_again_rests_only_after_a_long_time() {
        let mut habit = Habit::default();
        for _ in 1..OFTEN {
            habit.note_look();
            assert!(habit.agrees(false));
        }
        habit.note_look();
        for _ in 0..2 {
            let asked = (0..1000).take_while(|_| !habit.agrees(true)).count();
            assert_eq!(asked, 1 + usize::from(PATIENCE));
            // What it did before is forgotten.
            assert_eq!(habit.looks, 0);
            for _ in 1..OFTEN {
                habit.note_look();
                assert!(habit.agrees(true));
            }
            habit.note_look();
        }
    }
}
