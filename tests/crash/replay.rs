//! One crash again, as a failure's last line names it.

use strandline::testing::sim::Order;

use super::enumerate::{Plan, again};
use super::ops::{EVERY, Op, RARE};

/// `seed:order:ops:call:image`, as in `1:Strict:AppendSynced,Roll:57:3`; a process death has the
/// image `death`.
pub(crate) fn replay(what: &str, plan: Plan) -> Result<String, String> {
    let wrong = || format!("{what:?} is not seed:order:ops:call:image");
    let parts: Vec<&str> = what.split(':').collect();
    let [seed, order, ops, call, image] = parts[..] else { return Err(wrong()) };
    let seed = u64::from_str_radix(seed, 16).map_err(|_| wrong())?;
    let order = if order == "Journal" { Order::Journal } else { Order::Strict };
    let ops: Option<Vec<Op>> = ops.split(',').map(op).collect();
    let call = call.parse().map_err(|_| wrong())?;
    let image = if image == "death" { None } else { Some(image.parse().map_err(|_| wrong())?) };
    again(&ops.ok_or_else(wrong)?, Plan { order, seed, ..plan }, (call, image))
}

fn op(name: &str) -> Option<Op> {
    EVERY.into_iter().chain(RARE).find(|op| op.to_string() == name)
}
