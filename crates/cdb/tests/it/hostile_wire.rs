//! Somebody in the middle who changes what goes by, one record at a time: turns a bit, takes away,
//! sends again, puts in what belongs to another session, cuts. All that comes of it is a link that
//! ends, or a session that goes on, on another one, as if nothing had been; nobody sees anything
//! wrong, and the target is left as it was found.

mod entrance;
mod scene;
mod secrets;

use std::collections::BTreeMap;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use entrance::{Entrance, Kind};
use scene::{Outcome, Scene};
use testkit::footprint::changed_code;
use testkit::meddler::{At, Course, DEEDS, Deed, Place, Plan};
use testkit::{Guard, Meddler, Server, Side, programs};

use crate::transports::connect_from;

/// How many sessions there are at once in each test.
const WORKERS: u8 = 2;
/// How long a test may take on a machine that is busy with others.
const TIME_MAX: Duration = Duration::from_secs(600);

/// How often a deed is tried whose record is not there.
const TRIES: usize = 4;
/// What comes of a deed whose record is not there.
const MISSED: &str = "missed";

/// What came of the sessions of a test, by what they were called.
type Counts = BTreeMap<&'static str, usize>;

/// What is done in the sessions of a test.
struct Deeds {
    /// What is done in each of them.
    always: Vec<(At, Deed)>,
    /// To which records of the undisturbed course everything is done.
    is_wanted: fn(&Course, Place) -> bool,
}

impl Deeds {
    fn to(is_wanted: fn(&Course, Place) -> bool) -> Deeds {
        Deeds { always: Vec::new(), is_wanted }
    }

    fn plan(&self, deed: Option<(Place, Deed)>, earlier: &Arc<Course>) -> Plan {
        let own = deed.map(|(place, deed)| (At::Place(place), deed));
        let deeds = self.always.iter().cloned().chain(own).collect();
        Plan { deeds, earlier: Arc::clone(earlier), is_tls: true }
    }
}

/// Whether nothing is lost with a record of TLS 1.3: one that only old equipment looks at
/// (RFC 8446, D.4).
fn is_for_old_equipment(record: &[u8]) -> bool {
    record.first() == Some(&20)
}

/// Whether a deed matters that was done in a session which went well.
fn matters(kind: Kind, (place, deed): (Place, Deed), course: &Course) -> bool {
    let record = course.records.get(&place).map_or(&[][..], |record| record);
    match deed {
        // Nothing can come behind a cut: all there was to say had been said.
        Deed::CutBehind => false,
        // The same, as it has arrived before it came once more.
        Deed::Replay if course.is_last(place) => false,
        _ => !is_for_old_equipment(record) || kind.transport.contains("tls12"),
    }
}

/// What is wrong with the outcome of a session in which a deed was done, or what to call it.
/// `links` is how many it has without that.
fn judge(
    (kind, at): (Kind, (Place, Deed)),
    outcome: &Outcome,
    meddler: &Meddler,
    links: usize,
) -> Result<&'static str, String> {
    let is_resumed = meddler.links() > links;
    match outcome {
        Outcome::Wrong(wrong) => Err(wrong.clone()),
        Outcome::Whole if !is_resumed && !meddler.is_done() => Ok(MISSED),
        _ if !meddler.is_done() => {
            Err(format!("a lost link, though nothing was done: {outcome:?}"))
        }
        Outcome::Whole if is_resumed => Ok("resumed"),
        Outcome::Whole if meddler.is_late() => Ok("late"),
        Outcome::Whole if !matters(kind, at, &meddler.course()) => Ok("harmless"),
        Outcome::Whole => Err("it went unnoticed".to_owned()),
        Outcome::Lost if kind.is_patient => Err("it was not taken up again".to_owned()),
        Outcome::Refused(_) => Ok("refused"),
        Outcome::Unwelcome => Ok("unwelcome"),
        Outcome::Lost => Ok("lost"),
    }
}

/// Does everything to each record of a session that is wanted, in a session each.
fn do_everything(kind: Kind, deeds: &Deeds) -> Counts {
    let guard = Guard::with_patience(TIME_MAX);
    let sides = Side::friends(&guard);
    let (mut scene, mut entrance) = (Scene::new(&guard), Entrance::new(&guard, &sides, kind, 0));
    let course = entrance.course(&mut scene, deeds.plan(None, &Arc::default()));
    let places = course.records.keys().filter(|place| (deeds.is_wanted)(&course, **place));
    let cases = places.flat_map(|place| DEEDS.into_iter().map(|deed| (*place, deed)));
    let queue = Mutex::new(cases.collect::<Vec<_>>().into_iter());
    let mut all = Counts::new();
    std::thread::scope(|scope| {
        let others = (1..WORKERS).map(|number| Entrance::new(&guard, &sides, kind, number));
        let others = others.map(|entrance| (Scene::new(&guard), entrance));
        let pairs: Vec<_> = std::iter::once((scene, entrance)).chain(others).collect();
        let work = |pair| work(pair, kind, deeds, (&course, &queue));
        let workers: Vec<_> =
            pairs.into_iter().map(|pair| scope.spawn(move || work(pair))).collect();
        for worker in workers {
            let counts = worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            counts.into_iter().for_each(|(name, count)| *all.entry(name).or_default() += count);
        }
    });
    all
}

/// What is still to be done.
type Queue = Mutex<std::vec::IntoIter<(Place, Deed)>>;

/// Does the next of everything until all is done.
fn work(
    (mut scene, mut entrance): (Scene, Entrance<'_>),
    kind: Kind,
    deeds: &Deeds,
    (course, queue): (&Arc<Course>, &Queue),
) -> Counts {
    let links = deeds.always.len() + 1;
    let mut counts = Counts::new();
    let next = || queue.lock().expect("nobody fails with it").next();
    while let Some(at) = next() {
        let mut once = || {
            let (outcome, meddler) = entrance.meddle(&mut scene, deeds.plan(Some(at), course));
            judge((kind, at), &outcome, &meddler, links).unwrap_or_else(|wrong| {
                let len = course.records[&at.0].len();
                panic!("{}: {:?} at {:?} of {len} bytes: {wrong}", kind.transport, at.1, at.0)
            })
        };
        // What is sent in two records in one session may be sent in one in another.
        let mut came_of_it = (0..TRIES).map(|_| once()).skip_while(|name| *name == MISSED);
        *counts.entry(came_of_it.next().unwrap_or(MISSED)).or_default() += 1;
    }
    // It still serves, and the process is as it was.
    entrance.course(&mut scene, deeds.plan(None, course));
    assert_eq!(changed_code(scene.pid()), []);
    counts
}

/// How often something came of a deed.
fn count(counts: &Counts, name: &str) -> usize {
    counts.get(name).copied().unwrap_or(0)
}

/// Everything that is done ends a link.
fn only_ends_links(transport: &'static str, is_wanted: fn(&Course, Place) -> bool) {
    let kind = Kind { transport, is_patient: false };
    let counts = do_everything(kind, &Deeds::to(is_wanted));
    assert!(count(&counts, "refused") > 40 && count(&counts, MISSED) < 40, "{counts:?}");
}

/// Everything that is done to a session has it taken up again.
fn is_taken_up_again(transport: &'static str) {
    let kind = Kind { transport, is_patient: true };
    let counts = do_everything(kind, &Deeds::to(is_of_session));
    assert!(count(&counts, "resumed") > 80 && count(&counts, MISSED) < 40, "{counts:?}");
    // Somebody who was never greeted has nothing to come again with.
    assert!(count(&counts, "unwelcome") < 25, "{counts:?}");
}

fn is_any(_: &Course, _: Place) -> bool {
    true
}

/// Whether it belongs to a handshake, or the proof of a password.
fn is_of_handshake(course: &Course, place: Place) -> bool {
    course.is_handshake(place)
}

fn is_of_session(course: &Course, place: Place) -> bool {
    place.link == 0 && !course.is_handshake(place)
}

#[test]
fn what_is_done_to_certified_records_only_ends_links() {
    only_ends_links("ssl:proto=tls13,certuser=box", is_any);
}

#[test]
fn what_is_done_to_records_of_the_older_version_only_ends_links() {
    only_ends_links("ssl:proto=tls12,certuser=box", is_any);
}

#[test]
fn what_is_done_to_records_under_a_password_only_ends_links() {
    only_ends_links("tcp:password=sesame7", is_any);
}

#[test]
fn what_is_done_to_certificates_and_passwords_lets_nobody_in() {
    only_ends_links("ssl:proto=tls1,certuser=box,password=sesame7", is_of_handshake);
}

#[test]
fn what_is_done_to_passwords_of_a_pipe_lets_nobody_in() {
    only_ends_links("npipe:password=sesame7", is_of_handshake);
}

#[test]
fn what_is_done_to_records_of_a_server_that_calls_only_ends_links() {
    only_ends_links("ssl:proto=tls1,certuser=box,clicon=127.0.0.1", is_any);
}

#[test]
fn a_session_with_certificates_and_a_password_goes_on_whatever_is_done() {
    is_taken_up_again("ssl:proto=tls1,certuser=box,password=sesame7");
}

#[test]
fn a_session_of_the_older_version_goes_on_whatever_is_done() {
    is_taken_up_again("ssl:proto=tls12,certuser=box");
}

#[test]
fn a_session_at_a_secure_pipe_goes_on_whatever_is_done() {
    is_taken_up_again("spipe:proto=tls13,certuser=box");
}

/// Somebody in the middle is there when the client comes again, too.
#[test]
fn a_session_goes_on_whatever_is_done_to_the_link_that_takes_it_up() {
    let kind = Kind { transport: "ssl:proto=tls13,certuser=box", is_patient: true };
    // In the middle of the dialogue.
    let cut = Place { link: 0, is_to_server: true, index: 6 };
    let always = vec![(At::Place(cut), Deed::CutBehind)];
    let counts = do_everything(kind, &Deeds { always, is_wanted: |_, place| place.link == 1 });
    assert!(count(&counts, "resumed") > 100 && count(&counts, MISSED) < 40, "{counts:?}");
}

/// The same where nothing protects: so it is done, and what is wrong is seen.
#[test]
fn what_nothing_protects_is_changed() {
    let guard = Guard::new();
    let kind = Kind { transport: "tcp:unprotected", is_patient: false };
    let mut entrance = Entrance::new(&guard, &Side::friends(&guard), kind, 0);
    let mut scene = Scene::new(&guard);
    let earlier = entrance.course(&mut scene, Plan::default());
    let mut meddle = |bytes: Vec<u8>, deed: Deed, scene: &mut Scene| {
        let (deeds, earlier) = (vec![(At::With(bytes), deed)], Arc::clone(&earlier));
        let plan = Plan { deeds, earlier, is_tls: false };
        let (outcome, meddler) = entrance.meddle(scene, plan);
        assert!(meddler.is_done() && !meddler.is_late(), "{deed:?}: {outcome:?}");
        outcome
    };
    // What is read of the process is the last of what is sent with it, or how much was written.
    let outcome = meddle(scene.code()[..64].to_vec(), Deed::FlipLast, &mut scene);
    assert!(matches!(outcome, Outcome::Wrong(_)), "{outcome:?}");
    // So is what is written to it.
    let setting = |scene: &Scene| scene.next_setting().to_le_bytes().to_vec();
    let outcome = meddle(setting(&scene), Deed::FlipLast, &mut scene);
    assert!(matches!(outcome, Outcome::Wrong(_)), "{outcome:?}");
    // That this is written twice makes no difference, and nobody knows.
    assert_eq!(meddle(setting(&scene), Deed::Replay, &mut scene), Outcome::Whole);
}

/// What real users see of it: one line, and a status.
#[test]
fn who_debugs_is_told_in_one_line() {
    let guard = Guard::with_patience(TIME_MAX);
    let mut scene = Scene::new(&guard);
    let transport = "tcp:password=sesame7,port=0";
    let lease = |command: &mut Command| {
        command.stderr(Stdio::null()).args(["-lease", "0"]);
    };
    let client = "tcp:server=localhost";
    let server = Server::at_port(&guard, programs::dbgsrv(), transport, client, lease);
    let port = server.address().port();
    let pid = scene.pid().to_string();
    let cdb = |number: u8, plan: Plan| {
        let dial = move || Ok(connect_from([127, 200, 0, number], port));
        let meddler = Meddler::at_port(plan, false, dial);
        let to = meddler.address().port();
        let premote = format!("tcp:server=127.0.0.1,port={to},password=sesame7");
        let mut command = guard.command(env!("CARGO_BIN_EXE_cdb"));
        command.args(["-premote", &premote, "-p", &pid]);
        let words = guard.directory().join("words");
        std::fs::write(&words, ".tlist\nr\ndb tick L1000\nkn\n.tlist\nqd\n").expect("a file");
        command.stdin(std::fs::File::open(words).expect("it is there"));
        let output = command.output().expect("cdb starts");
        meddler.wait_until_over();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.code(), text(&output.stdout), text(&output.stderr), meddler)
    };
    let nothing = Plan { is_tls: true, ..Plan::default() };
    let (status, said, complaint, meddler) = cdb(1, nothing);
    assert_eq!((status, complaint.as_str()), (Some(0), ""), "{said}");
    assert_eq!(scene.left(Outcome::Lost), Outcome::Lost);
    let earlier = Arc::new(meddler.course());
    let places: Vec<Place> = earlier.records.keys().copied().collect();
    let mut ends = [0; 2];
    for (number, deed) in (2..).zip(DEEDS.into_iter().chain(DEEDS)) {
        let place = places[(number - 2) * 7 % places.len()];
        let deeds = vec![(At::Place(place), deed)];
        let plan = Plan { deeds, earlier: Arc::clone(&earlier), is_tls: true };
        let (status, said, complaint, meddler) = cdb(number as u8, plan);
        let what = format!("{deed:?} at {place:?}: {status:?} {complaint:?} {said}");
        let is_lost = "he connection to the process server is lost";
        let lost = said.matches(is_lost).count() + complaint.matches(is_lost).count();
        let refused = complaint.matches("cdb: cannot connect to ").count();
        // Why it cannot may be the same.
        let lost = if refused == 1 { 0 } else { lost };
        assert!(complaint.lines().count() <= 1, "{what}");
        match (lost, refused) {
            (0, 0) => {
                let course = meddler.course();
                let record = course.records.get(&place).map_or(&[][..], |record| record);
                let is_nothing = course.is_last(place) || is_for_old_equipment(record);
                assert!(is_nothing || !meddler.is_done(), "{what}");
                assert_eq!(status, Some(0), "{what}");
            }
            (0, 1) => ends[0] += 1,
            // Each command that follows is answered so, too.
            (1..=6, 0) => ends[1] += 1,
            _ => panic!("{what}"),
        }
        // Who only wanted to leave when the link was lost has left.
        let has_left = lost == 1 && status == Some(0);
        assert!(has_left || status == Some(i32::from(lost + refused > 0)), "{what}");
        assert_eq!(scene.left(Outcome::Lost), Outcome::Lost, "{what}");
    }
    assert!(ends.iter().all(|count| *count > 2), "{ends:?}");
}
