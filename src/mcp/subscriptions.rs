//! Subscriptions of one client: what it follows, and how it is told which of that changed.

use crate::error::Error;
use crate::error::Kind;
use crate::error::Result;
use crate::mcp::calls::Call;
use crate::mcp::calls::lock;
use crate::mcp::ending::Ending;
use crate::mcp::newsroom::Newsroom;
use crate::mcp::resources::Place;
use rmcp::Peer;
use rmcp::RoleServer;
use rmcp::model::ResourceUpdatedNotificationParam;
use rmcp::service::SubscriptionSink;
use serde_json::Value;
use serde_json::json;
use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::sleep;

/// More resources than this nobody follows; what would be too much is not accepted.
const URIS_MAX: usize = 256;

/// One stream for all it wants to hear is enough for a client; a few more do no harm.
const STREAMS_MAX: usize = 16;

/// A busy team changes its lists many times a second, and no client reads them as often.
const BETWEEN_NOTICES: Duration = Duration::from_millis(100);

pub(super) struct Hub {
    newsroom: Arc<Newsroom>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Listeners whose `listen` request is being acknowledged.
    expected: Vec<Arc<Listener>>,
    /// Those whose request is open.
    open: Vec<Arc<Listener>>,
    /// The listener of `resources/subscribe`, which older clients use.
    legacy: Option<Arc<Listener>>,
}

/// Somebody who is told when resources change. A resource that changes often is told of once until the notice is out.
#[derive(Default)]
pub(super) struct Listener {
    follows: Mutex<BTreeMap<String, Followed>>,
    changed: Mutex<BTreeSet<String>>,
    bell: Notify,
}

struct Followed {
    place: Place,
    /// Whose inbox it is, where it is one and its name has an owner.
    owner: Option<String>,
}

impl Hub {
    pub(super) fn new(newsroom: Arc<Newsroom>) -> Hub {
        Hub { newsroom, state: Mutex::default() }
    }

    /// Follow one more resource for an older client. Returns the listener if it is new.
    pub(super) fn subscribe(&self, uri: String, place: Place) -> Result<Option<Arc<Listener>>> {
        let mut state = lock(&self.state);
        let is_new = state.legacy.is_none();
        let listener = state.legacy.get_or_insert_default().clone();
        drop(state);
        if !listener.follow(uri, place) {
            return Err(Error::new(Kind::Refused, format!("this session follows {URIS_MAX} resources already"))
                .hint("unsubscribe from some first"));
        }
        self.newsroom.join(&listener);
        Ok(is_new.then_some(listener))
    }

    pub(super) fn unsubscribe(&self, uri: &str) {
        let Some(listener) = lock(&self.state).legacy.clone() else { return };
        listener.forget(uri);
        if listener.uris().is_empty() {
            self.newsroom.leave(&listener);
        }
    }

    /// Begin to follow resources for a `listen` request that is about to be acknowledged. Returns those accepted.
    pub(super) fn expect_listener(&self, wanted: impl Iterator<Item = (String, Place)>) -> Vec<String> {
        let listener = Arc::new(Listener::default());
        for (uri, place) in wanted {
            listener.follow(uri, place);
        }
        let accepted = listener.uris();
        let mut state = lock(&self.state);
        if accepted.is_empty() || state.open.len() + state.expected.len() >= STREAMS_MAX {
            return Vec::new();
        }
        state.expected.push(listener.clone());
        // Joining may take a while, for which nobody else of this session is to wait.
        drop(state);
        self.newsroom.join(&listener);
        accepted
    }

    /// The listener that was expected for these resources, or one that follows nothing, if there may be one more.
    pub(super) fn open_stream(&self, uris: &[String]) -> Option<Arc<Listener>> {
        let uris: BTreeSet<&String> = uris.iter().collect();
        let mut state = lock(&self.state);
        let expected =
            state.expected.iter().position(|listener| listener.uris().iter().collect::<BTreeSet<_>>() == uris);
        if expected.is_none() && state.open.len() + state.expected.len() >= STREAMS_MAX {
            return None;
        }
        let listener = expected.map(|at| state.expected.remove(at)).unwrap_or_default();
        state.open.push(listener.clone());
        Some(listener)
    }

    pub(super) fn close_stream(&self, listener: &Arc<Listener>) {
        lock(&self.state).open.retain(|other| !Arc::ptr_eq(other, listener));
        self.newsroom.leave(listener);
    }
}

/// Nobody listens any more for a session that is over.
impl Drop for Hub {
    fn drop(&mut self) {
        let state = std::mem::take(&mut *lock(&self.state));
        state
            .expected
            .iter()
            .chain(&state.open)
            .chain(&state.legacy)
            .for_each(|listener| self.newsroom.leave(listener));
    }
}

impl Listener {
    /// Says no when it follows as much as it may.
    pub(super) fn follow(&self, uri: String, place: Place) -> bool {
        let mut follows = lock(&self.follows);
        if follows.len() >= URIS_MAX && !follows.contains_key(&uri) {
            return false;
        }
        follows.entry(uri).or_insert(Followed { place, owner: None });
        true
    }

    fn forget(&self, uri: &str) {
        lock(&self.follows).remove(uri);
        lock(&self.changed).remove(uri);
    }

    fn uris(&self) -> Vec<String> {
        lock(&self.follows).keys().cloned().collect()
    }

    /// Finds out to whom the followed inboxes belong, which may only be known once somebody bears the name.
    pub(super) fn learn_owners(&self, call: &Call<'_>, events: &[Value]) {
        if !events.iter().any(|event| is_about(event, "message.")) {
            return;
        }
        let unknown: Vec<(String, String)> = lock(&self.follows)
            .iter()
            .filter(|(_, followed)| followed.owner.is_none())
            .filter_map(|(uri, followed)| Some((uri.clone(), followed.place.recipient()?.to_owned())))
            .collect();
        for (uri, name) in unknown {
            let found = call.ask("get_instance", json!({ "instance": name }));
            let owner = found.ok().and_then(|found| found["instance"]["id"].as_str().map(str::to_owned));
            if let Some(followed) = lock(&self.follows).get_mut(&uri) {
                followed.owner = owner;
            }
        }
    }

    pub(super) fn hear(&self, events: &[Value]) {
        let follows = lock(&self.follows);
        let changed = follows.iter().filter(|(_, followed)| events.iter().any(|event| followed.changes_with(event)));
        lock(&self.changed).extend(changed.map(|(uri, _)| uri.clone()));
        self.bell.notify_one();
    }

    pub(super) fn all_changed(&self) {
        lock(&self.changed).extend(self.uris());
        self.bell.notify_one();
    }

    /// The resources that changed since this was last asked, as soon as there are some.
    pub(super) async fn changed(&self) -> BTreeSet<String> {
        loop {
            let changed = std::mem::take(&mut *lock(&self.changed));
            if !changed.is_empty() {
                return changed;
            }
            self.bell.notified().await;
        }
    }

    /// Tells an older client, until the session ends.
    pub(super) async fn tell_peer(&self, peer: &Peer<RoleServer>, ending: &Ending) {
        let tell = async {
            loop {
                for uri in self.changed().await {
                    if peer.notify_resource_updated(ResourceUpdatedNotificationParam::new(uri)).await.is_err() {
                        return;
                    }
                }
                sleep(BETWEEN_NOTICES).await;
            }
        };
        tokio::select! {
            () = ending.begun() => {}
            () = tell => {}
        }
    }

    /// Tells the stream of one `listen` request, until it breaks.
    pub(super) async fn tell_subscription(&self, sink: &SubscriptionSink) {
        loop {
            for uri in self.changed().await {
                if sink.notify_resource_updated(uri).await.is_err() {
                    return;
                }
            }
            sleep(BETWEEN_NOTICES).await;
        }
    }
}

impl Followed {
    fn changes_with(&self, event: &Value) -> bool {
        match &self.place {
            Place::Events => true,
            Place::Instances => is_about(event, "instance."),
            Place::TasksPending | Place::TasksInProgress => is_about(event, "task."),
            Place::Task(id) => is_about(event, "task.") && event["subject"] == id.to_string(),
            Place::Context(key) => is_about(event, "context.") && event["subject"] == *key,
            Place::Messages(name) | Place::Inbox(name) => is_about(event, "message.") && self.receives(name, event),
        }
    }

    fn receives(&self, name: &str, event: &Value) -> bool {
        let bare = |name: &str| name.strip_prefix('@').unwrap_or(name).to_owned();
        let recipients = event["data"]["recipients"].as_array().map_or(&[][..], Vec::as_slice);
        recipients
            .iter()
            .filter_map(Value::as_str)
            .any(|to| Some(to) == self.owner.as_deref() || bare(to) == bare(name))
    }
}

fn is_about(event: &Value, noun: &str) -> bool {
    event["kind"].as_str().is_some_and(|kind| kind.starts_with(noun))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn follower(uris: &[&str]) -> Listener {
        let listener = Listener::default();
        for uri in uris {
            assert!(listener.follow((*uri).to_owned(), Place::of(uri).expect("the test names a resource")));
        }
        listener
    }

    /// Each line: the event's kind and subject, then the resources that change with it.
    #[test]
    fn an_event_changes_exactly_the_resources_it_is_about() {
        let uris = [
            "orch://events",
            "orch://inbox/@bob",
            "orch://inbox/i-1",
            "orch://task/12",
            "orchestrator://context/plan/a",
            "orchestrator://instances",
            "orchestrator://tasks/in-progress",
            "orchestrator://tasks/pending",
        ];
        for (kind, subject, expected) in [
            ("task.pushed", "task-0000000012", &[0, 3, 6, 7][..]),
            ("task.completed", "task-0000000013", &[0, 6, 7]),
            ("instance.left", "i-1", &[0, 5]),
            ("context.set", "plan/a", &[0, 4]),
            ("context.set", "plan", &[0]),
            ("message.sent", "msg-0000000001", &[0, 1, 2]),
        ] {
            let listener = follower(&uris);
            listener.hear(&[json!({ "kind": kind, "subject": subject, "data": { "recipients": ["i-1", "@bob"] } })]);
            let changed: Vec<String> = lock(&listener.changed).iter().cloned().collect();
            let expected: Vec<&str> = expected.iter().map(|at| uris[*at]).collect();
            assert_eq!(changed, expected, "{kind} {subject}");
        }
    }

    #[test]
    fn an_inbox_followed_by_name_changes_with_messages_to_its_owner() {
        let listener = follower(&["orch://inbox/bob"]);
        let event = json!({ "kind": "message.sent", "data": { "recipients": ["i-7"] } });
        listener.hear(std::slice::from_ref(&event));
        assert!(lock(&listener.changed).is_empty());
        lock(&listener.follows).values_mut().for_each(|followed| followed.owner = Some("i-7".to_owned()));
        listener.hear(&[event]);
        assert_eq!(lock(&listener.changed).len(), 1);
    }

    #[test]
    fn a_resource_that_changes_often_is_told_of_once() {
        let listener = follower(&["orch://events"]);
        for _ in 0..1000 {
            listener.hear(&[json!({ "kind": "task.pushed" })]);
        }
        assert_eq!(lock(&listener.changed).len(), 1);
    }

    #[test]
    fn following_is_bounded() {
        let listener = Listener::default();
        for n in 0..URIS_MAX {
            assert!(listener.follow(format!("orch://task/{n}"), Place::Events));
        }
        assert!(!listener.follow("orch://events".to_owned(), Place::Events));
        assert!(listener.follow("orch://task/0".to_owned(), Place::Events));
        listener.forget("orch://task/0");
        assert!(listener.follow("orch://events".to_owned(), Place::Events));
    }
}
