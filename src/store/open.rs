//! From a place to a store: opened when first needed, made when first written to.

use crate::error::Result;
use crate::host::Host;
use crate::store::Options;
use crate::store::Store;
use crate::store::place::Place;
use crate::store::sqlite::Looked as LookedAt;
use crate::store::sqlite::SqliteStore;

/// A store that may not exist yet. Reading from where nothing was written finds nothing, and creates nothing.
pub struct LazyStore {
    place: Place,
    host: Host,
    options: Options,
    state: State,
}

enum State {
    Unopened,
    /// Nothing is there yet: reads go to an empty store in memory.
    Absent(Box<dyn Store>),
    Open(Box<dyn Store>),
}

/// A store as somebody finds it who changes nothing.
pub enum Looked {
    Store(LazyStore),
    /// Its shape is older than ours; whoever writes next brings it on.
    Behind {
        schema: i64,
    },
}

/// The shape of the stores that this program writes.
pub const SCHEMA: i64 = SqliteStore::SCHEMA;

/// What keeps the stores of this program, and its version.
pub fn library() -> String {
    format!("SQLite {}", SqliteStore::library_version())
}

/// Opens a store that is there, so that nothing in it or around it changes.
pub fn look(place: Place, host: Host, options: Options) -> Result<Looked> {
    Ok(match SqliteStore::look(&place, host.clone(), &options)? {
        LookedAt::Store(store) => Looked::Store(LazyStore { place, host, options, state: State::Open(store) }),
        LookedAt::Behind { schema } => Looked::Behind { schema },
    })
}

impl LazyStore {
    pub fn new(place: Place, host: Host, options: Options) -> LazyStore {
        LazyStore { place, host, options, state: State::Unopened }
    }

    /// Another one on the same place, for another thread.
    pub fn another(&self) -> LazyStore {
        LazyStore::new(self.place.clone(), self.host.clone(), self.options.clone())
    }

    pub fn place(&self) -> &Place {
        &self.place
    }

    pub fn host(&self) -> &Host {
        &self.host
    }

    /// Is there nothing to be made or opened any more?
    pub fn is_open(&self) -> bool {
        matches!(self.state, State::Open(_))
    }

    pub fn for_reading(&mut self) -> Result<&mut dyn Store> {
        if !self.is_open() && self.place.exists() {
            self.open()?;
        }
        if let State::Unopened = self.state {
            self.place.check()?;
            self.state = State::Absent(Box::new(SqliteStore::in_memory(self.host.clone())?));
        }
        Ok(self.store())
    }

    pub fn for_writing(&mut self) -> Result<&mut dyn Store> {
        if !self.is_open() {
            self.open()?;
        }
        Ok(self.store())
    }

    fn open(&mut self) -> Result<()> {
        let store = SqliteStore::open(&self.place, self.host.clone(), &self.options)?;
        self.state = State::Open(Box::new(store));
        Ok(())
    }

    fn store(&mut self) -> &mut dyn Store {
        match &mut self.state {
            State::Absent(store) | State::Open(store) => store.as_mut(),
            State::Unopened => unreachable!("both callers have opened it"),
        }
    }
}
