//! The names in directories: which are durable, which calls see, and the changes on their way.

use std::collections::BTreeMap;

use super::state::Node;

/// The names of one directory.
#[derive(Clone, Debug, Default)]
pub(super) struct Names {
    pub(super) now: BTreeMap<String, Node>,
    pub(super) durable: BTreeMap<String, Node>,
}

/// One change of names, which happens whole or not at all.
#[derive(Clone, Debug)]
pub(super) struct Change {
    /// In words.
    pub(super) what: String,
    /// Directory, name, and what it names afterwards.
    pub(super) effects: Vec<(Node, String, Option<Node>)>,
}

impl Change {
    pub(super) fn is_of(&self, dir: Node) -> bool {
        self.effects.iter().any(|effect| effect.0 == dir)
    }

    pub(super) fn makes(&self, node: Node) -> bool {
        self.effects.iter().any(|effect| effect.2 == Some(node))
    }

    /// Whether both change one and the same name.
    pub(super) fn shares_a_name_with(&self, other: &Change) -> bool {
        let same = |(dir, name, _): &(Node, String, Option<Node>)| {
            other.effects.iter().any(|effect| effect.0 == *dir && effect.1 == *name)
        };
        self.effects.iter().any(same)
    }
}

/// Sets or takes back a name.
pub(super) fn set(names: &mut BTreeMap<String, Node>, name: &str, node: Option<Node>) {
    match node {
        Some(node) => names.insert(name.to_owned(), node),
        None => names.remove(name),
    };
}
