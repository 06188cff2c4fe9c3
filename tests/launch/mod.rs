//! Real processes under a real keeper.

mod ends;
mod input;
mod keeper;
mod kept;
mod terminal;
