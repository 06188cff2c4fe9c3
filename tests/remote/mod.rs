//! A server elsewhere instead of a store: the same answers, and everything once, whatever happens on the way.

mod alike;
mod debts;
mod hooks;
mod lost;
mod plans;
mod proxy;
mod sessions;
mod settings;
mod team;
mod tls;
