//! What the other scenarios take for granted of the client, without any of us: what fails here has changed there.

use crate::e2e::script::held;
use crate::e2e::script::role;
use crate::e2e::script::runs;
use crate::e2e::script::says;
use crate::e2e::session::Terminal;
use crate::e2e::stage::Stage;

#[test]
#[ignore = "drives the real Claude Code: just e2e"]
fn a_terminal_shows_what_the_model_says_and_leaves_nothing() {
    let Some(stage) = Stage::set([role("GO", [held("read", says("I am here")), says("I am still here")])]) else {
        return;
    };
    let terminal = Terminal::open(&stage, "t", &stage.claude(&[]));
    terminal.types("GO");
    stage.request("the first words", |request| request.step() == Some(0));
    stage.release("read");
    terminal.until_shows("I am here");
    terminal.types("and now?");
    terminal.until_shows("I am still here");
    terminal.types("/exit");
    stage.until_empty();
}

#[test]
#[ignore = "drives the real Claude Code: just e2e"]
fn an_open_input_takes_turns_and_commands() {
    let steps = [runs("echo $((6 * 7))"), says("one"), says("two")];
    let Some(stage) = Stage::set([role("GO", steps), role("AGAIN", [says("three"), says("four")])]) else { return };
    let mut session = stage.stream(stage.claude(&["--allowedTools", "Bash"]));
    session.say("GO");
    assert_eq!(session.result()["result"], "one");
    let id = session.id();
    session.say("and now?");
    assert_eq!(session.result()["result"], "two");
    session.say("/clear");
    session.result();
    session.say("AGAIN");
    assert_eq!(session.result()["result"], "three");
    assert_ne!(session.id(), id);
    session.say("/compact");
    session.line("the end of the compaction", |line| line["subtype"] == "compact_boundary");
    session.result();
    session.say("and now?");
    assert_eq!(session.result()["result"], "four");
    session.close();
    let answered = stage.request("what the shell said", |it| it.session() == id && it.step() == Some(1));
    assert_eq!(answered.results()[0]["text"], "42");
    stage.until_empty();
}
