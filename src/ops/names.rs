//! The names of instances, for texts that people read. JSON keeps to ids: a name may have another bearer tomorrow.

use crate::error::Result;
use crate::model::id::InstanceId;
use crate::store::Tx;
use std::collections::BTreeMap;

/// Names by id. No answer carries it in its JSON, so one that is read from there shows ids.
#[derive(Clone, Debug, Default)]
pub struct Names(BTreeMap<String, String>);

impl Names {
    /// The names of those that the store knows.
    pub fn read<'a>(ids: impl IntoIterator<Item = &'a str>, tx: &mut dyn Tx) -> Result<Names> {
        let mut names = BTreeMap::new();
        for id in ids {
            if names.contains_key(id) {
                continue;
            }
            if let Some(instance) = tx.instance(&InstanceId::from_stored(id.to_owned()))? {
                names.insert(id.to_owned(), instance.name);
            }
        }
        Ok(Names(names))
    }

    pub fn known(&self, id: &str) -> Option<&str> {
        self.0.get(id).map(String::as_str)
    }

    /// The name, or the id where there is none.
    pub fn of<'a>(&'a self, id: &'a str) -> &'a str {
        self.known(id).unwrap_or(id)
    }

    /// As `of`, for somebody whom not every row has.
    pub fn of_some<'a>(&'a self, id: Option<&'a InstanceId>) -> &'a str {
        id.map_or("", |id| self.of(id.as_str()))
    }
}
