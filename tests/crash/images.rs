//! What a power cut may leave of what is on its way: a choice of all the possible cuts.

use strandline::testing::sim::{Cut, Dice, Image, Sectors};

/// The cuts of `image`: of up to six things on their way all subsets; of more none, all, each
/// missing, each alone, all prefixes, and `random` others. Half as many again are torn or hold
/// garbage.
pub(crate) fn cuts(image: &Image, seed: u64, random: usize) -> Vec<Cut> {
    let things = image.pending().len();
    let whole = |kept: Vec<bool>| Cut { kept, sectors: Sectors::Whole };
    let mut dice = Dice(seed);
    let mut cuts = Vec::new();
    if things <= 6 {
        for subset in 0..1_u32 << things {
            cuts.push(whole((0..things).map(|thing| subset >> thing & 1 == 1).collect()));
        }
    } else {
        cuts.push(whole(vec![false; things]));
        cuts.push(whole(vec![true; things]));
        for one in 0..things {
            cuts.push(whole((0..things).map(|thing| thing != one).collect()));
            cuts.push(whole((0..things).map(|thing| thing == one).collect()));
            cuts.push(whole((0..things).map(|thing| thing < one).collect()));
        }
        for _ in 0..random {
            let chosen = dice.roll();
            cuts.push(whole((0..things).map(|thing| chosen >> (thing % 64) & 1 == 1).collect()));
        }
    }
    if things > 0 {
        for round in 0..cuts.len().div_ceil(2) {
            let mut cut = cuts[dice.below(cuts.len())].clone();
            let number = dice.roll();
            let is_torn = round % 2 == 0;
            cut.sectors = if is_torn { Sectors::Torn(number) } else { Sectors::Garbage(number) };
            cuts.push(cut);
        }
    }
    cuts
}
