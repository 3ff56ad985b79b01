//! Whether what a damaged log answers is allowed: the same as before, or the damage told of, with
//! everything that is intact still there.

use std::ops::Range;
use std::sync::Arc;

use strandline::testing::sim::Disk;
use strandline::{Error, FetchOptions, Log};

use crate::answers::{Answers, Opened, aborted, by_time, open};
use crate::damage::Damage;
use crate::sample::Left;
use crate::truth::{Batch, Truth};

/// What came of a damage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Verdict {
    /// All answers are as before.
    Same,
    /// It was told of; all that is intact is there.
    Detected,
    /// A batch was given out with another offset or epoch than it had, which only the CRC of the
    /// whole file shows; and it does.
    WholeFileCrc,
    /// A batch is hidden, and told of, because it and the damaged one beside it claim the same
    /// offsets, and either may be right; the CRC of the whole file shows it too.
    Ambiguous,
    /// Something is not as it was and nothing can show it: a file without a checksum, or one whose
    /// checksum is yet to be made.
    Unseen,
}

/// One damage to one file of a sample.
pub(crate) struct Case<'a> {
    pub(crate) truth: &'a Truth,
    pub(crate) file: usize,
    pub(crate) damage: Damage,
    /// What the file holds now; none if it is no file.
    pub(crate) after: Option<Arc<Vec<u8>>>,
    /// Which of them it is.
    pub(crate) number: usize,
    /// Of the look-ups by offset and by time each such-and-such is done, in turn.
    pub(crate) share: usize,
}

/// How much is asked beyond a whole scan.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Asked {
    /// Each batch by its offsets, times, transactions.
    pub(crate) look_ups: bool,
    /// A retry, an append, and all of it again after another opening.
    pub(crate) append: bool,
}

/// What of the sample was found.
struct Found {
    /// By batch: whether it was given out as it was.
    there: Vec<bool>,
    verdict: Verdict,
}

impl Case<'_> {
    /// Opens the damaged store and asks it.
    pub(crate) fn judge(&self, asked: Asked) -> Result<Verdict, String> {
        let opened = match self.open() {
            // Without a lock nobody can know to be alone.
            Err(Error::Io { path, .. }) if self.is_no_file() && path.ends_with(".lock") => {
                return Ok(Verdict::Detected);
            }
            opened => opened.map_err(|error| format!("cannot open: {error}"))?,
        };
        let answers = Answers::of(&opened.log).map_err(|error| format!("cannot read: {error}"))?;
        let mut verdict = Verdict::Same;
        if answers == self.truth.answers && asked.look_ups {
            verdict = self.look_up(&opened.log, None)?;
        }
        let touched = self.touched();
        if answers != self.truth.answers {
            let found = self.compare(&answers, &touched)?;
            verdict = found.verdict;
            if asked.look_ups {
                verdict = verdict.max(self.look_up(&opened.log, Some((&found, &touched)))?);
            }
        }
        if verdict == Verdict::Same && !opened.store.warnings().is_empty() {
            verdict = Verdict::Detected;
        }
        if asked.append {
            match self.append(opened, &answers, &touched) {
                // What is in the place of a file has to be taken away before there can be one.
                Err(why) if self.is_no_file() && why.contains(self.name()) => {}
                appended => appended?,
            }
        }
        Ok(verdict)
    }

    fn is_no_file(&self) -> bool {
        matches!(self.damage, Damage::Dir | Damage::Other)
    }

    /// The damaged file's name.
    fn name(&self) -> &str {
        self.truth.files[self.file].path.rsplit('/').next().unwrap_or_default()
    }

    /// The damaged store.
    pub(crate) fn open(&self) -> Result<Opened, Error> {
        let path = &self.truth.files[self.file].path;
        open(Disk::from(self.damage.put(&self.truth.image, path, self.after.clone())))
    }

    /// The batches whose bytes are others now.
    pub(crate) fn touched(&self) -> Range<usize> {
        let file = &self.truth.files[self.file];
        let is_touched = |batch: &Batch| {
            let now = self.after.as_ref().and_then(|after| after.get(batch.place.clone()));
            now != Some(self.truth.bytes(batch))
        };
        let batches = &self.truth.batches[file.batches.clone()];
        let Some(first) = batches.iter().position(is_touched) else { return 0..0 };
        let last = batches.iter().rposition(is_touched).unwrap_or(first);
        file.batches.start + first..file.batches.start + last + 1
    }

    fn is_touched(&self, number: usize, touched: &Range<usize>) -> bool {
        let batch = &self.truth.batches[number];
        touched.contains(&number)
            && self.after.as_ref().and_then(|after| after.get(batch.place.clone()))
                != Some(self.truth.bytes(batch))
    }

    /// Holds the answers against those of the whole sample.
    fn compare(&self, answers: &Answers, touched: &Range<usize>) -> Result<Found, String> {
        let truth = self.truth;
        if touched.is_empty() && answers.bytes == truth.answers.bytes && answers.reports.is_empty()
        {
            return self.compare_numbers(answers);
        }
        if let Some(found) = self.starts_earlier(answers) {
            return Ok(found);
        }
        let mut found =
            Found { there: vec![false; truth.batches.len()], verdict: Verdict::Detected };
        let mut changed = vec![false; touched.len()];
        let (mut rest, mut last) = (&answers.bytes[..], -1);
        while let Some((base, bytes)) = split_batch(&mut rest) {
            let number = truth.batches.partition_point(|batch| batch.base < base);
            let known = truth.batches.get(number).filter(|batch| truth.bytes(batch) == bytes);
            if known.is_some() {
                found.there[number] = true;
            } else {
                let number = self.changed(bytes, touched)?;
                changed[number - touched.start] = true;
                found.verdict = found.verdict.max(self.whole_file(number)?);
            }
            if base <= last {
                return Err(format!("offset {base} is given out behind {last}"));
            }
            last = base;
        }
        for (number, batch) in truth.batches.iter().enumerate() {
            let is_changed = touched.contains(&number) && changed[number - touched.start];
            if !found.there[number] && !is_changed {
                let is_touched = self.is_touched(number, touched);
                let missing = self.missing(batch, is_touched, answers, &found);
                if missing.is_err() && self.is_ambiguous(number, touched, answers) {
                    found.verdict = found.verdict.max(Verdict::Ambiguous);
                    continue;
                }
                missing?;
            }
        }
        self.check_reports(answers, touched)?;
        if answers.start != truth.answers.start {
            return Err(format!("log start {} not {}", answers.start, truth.answers.start));
        }
        let ends = truth.answers.durable..=truth.answers.end;
        if !ends.contains(&answers.end) {
            return Err(format!("log end {} not in {ends:?}", answers.end));
        }
        Ok(found)
    }

    /// A manifest that was cut between two entries is as good as one that never had more: then
    /// records that were deleted are there again.
    fn starts_earlier(&self, answers: &Answers) -> Option<Found> {
        let then = &self.truth.answers;
        let is_cut = matches!(self.damage, Damage::Cut(len) if len >= 128 && len % 128 == 0);
        let fits = is_cut
            && self.name() == "segments.manifest"
            && self.truth.left != Left::Closed
            && answers.start < then.start
            && answers.end == then.end
            && answers.bytes.ends_with(&then.bytes);
        let there = vec![true; self.truth.batches.len()];
        fits.then_some(Found { there, verdict: Verdict::Unseen })
    }

    /// Whether an intact batch is told to be damaged because the damaged one beside it claims its
    /// offsets, where offsets are left out: no byte says which of the two is right.
    fn is_ambiguous(&self, number: usize, touched: &Range<usize>, answers: &Answers) -> bool {
        let truth = self.truth;
        let batch = &truth.batches[number];
        let is_beside = touched.len() == 1 && touched.start.abs_diff(number) == 1;
        if !is_beside || !matches!(self.damage, Damage::Bit(_)) || !truth.files[self.file].has_holes
        {
            return false;
        }
        let place = truth.batches[touched.start].place.clone();
        let Some(now) = self.after.as_ref().and_then(|after| after.get(place)) else {
            return false;
        };
        let base = i64::from_be_bytes(now[..8].try_into().unwrap());
        let was = &truth.batches[touched.start];
        let disorder = if number > touched.start {
            base.saturating_add(was.next - was.base) > batch.base
        } else {
            base < batch.next
        };
        let is_told = answers.reports.iter().any(|it| {
            let names = it.offsets.0 < batch.next && it.offsets.1 >= batch.base;
            names || it.position == batch.place.start as u64
        });
        disorder && is_told
    }

    /// No batch was hit, and all are there: the numbers are the same as well.
    fn compare_numbers(&self, answers: &Answers) -> Result<Found, String> {
        let (now, then) = (answers, &self.truth.answers);
        let found = Found { there: vec![true; self.truth.batches.len()], verdict: Verdict::Same };
        if (now.start, now.end, now.stable) != (then.start, then.end, then.stable) {
            return Err(format!(
                "start, end, stable are {:?}, not {:?}",
                (now.start, now.end, now.stable),
                (then.start, then.end, then.stable)
            ));
        }
        if now.durable > then.durable {
            return Err(format!("durable end {} not {}", now.durable, then.durable));
        }
        match &now.gap {
            Some(gap) => Err(format!("a gap of {gap:?}, and nothing is missing")),
            None => Ok(found),
        }
    }

    /// Which of the touched batches this is, with another offset or epoch.
    fn changed(&self, bytes: &[u8], touched: &Range<usize>) -> Result<usize, String> {
        let truth = self.truth;
        let same = |number: &usize| {
            let was = truth.bytes(&truth.batches[*number]);
            was[8..12] == bytes[8..12] && was[16..] == bytes[16..]
        };
        let base = i64::from_be_bytes(bytes[..8].try_into().unwrap());
        let number = touched.clone().find(same);
        let number = number.ok_or(format!("phantom batch: offset {base} was never appended"))?;
        let was = &truth.batches[number];
        if base != was.base && !truth.files[self.file].has_holes {
            return Err(format!("offset {} is given out as {base}", was.base));
        }
        Ok(number)
    }

    /// Whether the CRC of the whole file shows that `number` was changed.
    fn whole_file(&self, number: usize) -> Result<Verdict, String> {
        let after = self.after.as_ref().ok_or("a batch of a file that is gone")?;
        let file = &self.truth.files[self.truth.batches[number].file];
        match file.entry {
            None => Ok(Verdict::Unseen),
            Some((len, crc)) if after.len() != len || crc32c::crc32c(after) != crc => {
                Ok(Verdict::WholeFileCrc)
            }
            Some(_) => Err("a changed batch is given out that the whole-file CRC misses".into()),
        }
    }

    /// Whether it is allowed that a batch is not given out.
    fn missing(
        &self,
        batch: &Batch,
        is_touched: bool,
        answers: &Answers,
        found: &Found,
    ) -> Result<(), String> {
        let Batch { base, next, .. } = *batch;
        if !is_touched && batch.is_durable {
            return Err(format!("lost: intact records {base}..{next}"));
        }
        let told = |(from, to): (i64, i64)| from < next && to > base;
        let reports = answers.reports.iter().map(|it| (it.offsets.0, it.offsets.1 + 1));
        let gap = answers.gap.iter().map(|gap| (gap.start, gap.end));
        if batch.is_durable {
            let is_told = reports.chain(gap).any(told);
            return if is_told { Ok(()) } else { Err(format!("hidden: damage to {base}..{next}")) };
        }
        // Above the mark the first bad byte ends the log.
        let truth = self.truth;
        let file = &truth.files[self.file].batches;
        let before = |number: usize| truth.batches[number].base <= base;
        let is_behind = file.clone().any(|at| before(at) && self.is_touched(at, file));
        let later = truth.batches.iter().zip(&found.there);
        let is_prefix = later.filter(|(other, _)| other.base > base).all(|(_, there)| !there);
        if (is_touched || is_behind) && is_prefix {
            Ok(())
        } else {
            Err(format!("lost: intact unsynced records {base}..{next}"))
        }
    }

    /// Reports name the file, and no record that is intact.
    fn check_reports(&self, answers: &Answers, touched: &Range<usize>) -> Result<(), String> {
        let truth = self.truth;
        for report in &answers.reports {
            if !report.path.ends_with(&truth.files[self.file].path) {
                return Err(format!("{} is reported", report.path.display()));
            }
            let (first, last) = report.offsets;
            let hit = |batch: &Batch| batch.base <= last && batch.next > first;
            let intact = truth.batches.iter().enumerate();
            let mut intact = intact.filter(|(number, _)| {
                !self.is_touched(*number, touched) && !self.is_ambiguous(*number, touched, answers)
            });
            if let Some((_, batch)) = intact.find(|(_, batch)| hit(batch)) {
                return Err(format!(
                    "{first} to {last} are reported, {}..{} are intact",
                    batch.base, batch.next
                ));
            }
        }
        Ok(())
    }

    /// Asks for each batch by its offsets, for times, and for transactions.
    fn look_up(
        &self,
        log: &Log,
        damaged: Option<(&Found, &Range<usize>)>,
    ) -> Result<Verdict, String> {
        let truth = self.truth;
        let none = 0..0;
        let (there, touched) =
            damaged.map_or((None, &none), |(found, touched)| (Some(&found.there), touched));
        for (number, batch) in truth.batches.iter().enumerate() {
            let is_turn = number % self.share == self.number % self.share;
            if !is_turn || there.is_some_and(|there| !there[number]) {
                continue;
            }
            for offset in [batch.base.max(truth.answers.start), batch.next - 1] {
                let fetched = log.fetch(offset, FetchOptions::new().max_bytes(1));
                if !fetched.as_ref().is_ok_and(|it| it.bytes() == truth.bytes(batch)) {
                    let why =
                        fetched.map_or_else(|e| e.to_string(), |it| it.next_offset().to_string());
                    return Err(format!("a fetch at {offset} does not find its batch: {why}"));
                }
            }
        }
        let is_changed = damaged.is_some_and(|(found, _)| found.verdict >= Verdict::WholeFileCrc);
        self.times(log, there, (touched, is_changed))?;
        let is_hit = touched.clone().any(|number| truth.batches[number].producer.is_some());
        let epochs = log.leader_epochs().map_err(|error| error.to_string())?;
        let epochs: Vec<_> = epochs.into_iter().map(|(epoch, at)| (epoch.0, at)).collect();
        let mut verdict = Verdict::Same;
        if touched.is_empty() && epochs != truth.epochs {
            // Kafka's file of them has no checksum.
            let is_theirs = self.name() == "leader-epoch-checkpoint";
            if !is_theirs || !matches!(self.damage, Damage::Bit(_) | Damage::Cut(_)) {
                return Err(format!("epochs {epochs:?} not {:?}", truth.epochs));
            }
            verdict = Verdict::Unseen;
        }
        let found = aborted(log).map_err(|error| format!("read committed: {error}"))?;
        if !is_hit && touched.is_empty() && found != truth.aborted {
            return Err(format!("aborted {found:?} not {:?}", truth.aborted));
        }
        let stable = log.last_stable_offset().map_err(|error| error.to_string())?;
        for txn in &truth.aborted {
            let is_there = |number: &usize| {
                let batch = &truth.batches[*number];
                (txn.first_offset..txn.last_offset).contains(&batch.base)
                    && batch.producer == Some(txn.producer_id.0)
                    && there.is_none_or(|there| there[*number])
                    && batch.base < stable
                    && !found.iter().any(|it| {
                        it.producer_id == txn.producer_id
                            && (it.first_offset..=it.last_offset).contains(&batch.base)
                    })
            };
            if (0..truth.batches.len()).any(|number| is_there(&number)) {
                return Err(format!("aborted records are given out as committed: {txn:?}"));
            }
        }
        Ok(verdict)
    }

    fn times(
        &self,
        log: &Log,
        there: Option<&Vec<bool>>,
        (touched, is_changed): (&Range<usize>, bool),
    ) -> Result<(), String> {
        let truth = self.truth;
        let turns = truth.times.iter().zip(&truth.by_time).skip(self.number % self.share);
        for (time, was) in turns.step_by(self.share) {
            let answer = by_time(log, *time);
            let answer = answer.map_err(|error| format!("time {time}: {error}"))?;
            if answer == *was {
                continue;
            }
            let of = |offset: i64| {
                truth.batches.iter().position(|it| (it.base..it.next).contains(&offset))
            };
            let was_hit = was.and_then(of).is_some_and(|number| {
                self.is_touched(number, touched) || there.is_some_and(|there| !there[number])
            });
            let next = truth.batches.iter().enumerate().position(|(number, batch)| {
                batch.max_timestamp >= *time && there.is_none_or(|there| there[number])
            });
            // A batch that is given out with other offsets is found at those.
            if !was_hit || !is_changed && answer.and_then(of) != next {
                return Err(format!("time {time} leads to {answer:?}, not {was:?}"));
            }
        }
        Ok(())
    }
}

/// Takes the first batch off: its base offset and its bytes.
fn split_batch<'a>(rest: &mut &'a [u8]) -> Option<(i64, &'a [u8])> {
    let base = i64::from_be_bytes(rest.get(..8)?.try_into().ok()?);
    let len = 12 + u32::from_be_bytes(rest.get(8..12)?.try_into().ok()?) as usize;
    let (batch, behind) = rest.split_at_checked(len)?;
    *rest = behind;
    Some((base, batch))
}
