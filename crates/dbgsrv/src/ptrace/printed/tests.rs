//! The order of texts, what becomes of those that there is no room for, and who waits for whom.

use std::sync::mpsc;

use dbgwire::event::ConditionFault;

use super::*;

fn event(site: u32) -> Printed {
    Printed { target: 1, tid: 2, site, ..Printed::default() }
}

fn drain(queue: &mut Queue) -> Vec<(u32, u64, String)> {
    let mut all = Vec::new();
    while let Some((event, text)) = queue.pop() {
        all.push((event.site, event.lost, String::from_utf8(text).expect("text")));
    }
    assert_eq!(queue.len, 0);
    all
}

#[test]
fn texts_of_the_same_thread_and_site_are_joined() {
    let mut queue = Queue::default();
    for (site, text) in [(1, "a"), (1, "b"), (2, "c"), (1, "d")] {
        queue.push(event(site), text.into());
    }
    let joined = [(1, 0, "ab".into()), (2, 0, "c".into()), (1, 0, "d".into())];
    assert_eq!(drain(&mut queue), joined);
    // What has a fault ends where it is told.
    let fault = Some(ConditionFault::default());
    queue.push(event(1), b"a".to_vec());
    queue.push(Printed { fault, ..event(1) }, b"b".to_vec());
    queue.push(event(1), b"c".to_vec());
    let apart = [(1, 0, "a".into()), (1, 0, "b".into()), (1, 0, "c".into())];
    assert_eq!(drain(&mut queue), apart);
    // No event grows without end.
    for _ in 0..JOINED_LEN_MAX {
        queue.push(event(1), b"ab".to_vec());
    }
    let lens: Vec<usize> = drain(&mut queue).iter().map(|(_, _, text)| text.len()).collect();
    assert_eq!(lens, [JOINED_LEN_MAX, JOINED_LEN_MAX]);
}

#[test]
fn what_there_is_no_room_for_is_counted() {
    let mut queue = Queue::default();
    let text = vec![b'x'; JOINED_LEN_MAX];
    let fits = QUEUE_LEN_MAX / (JOINED_LEN_MAX + TEXT_COST);
    for _ in 0..fits + 3 {
        queue.push(event(1), text.clone());
    }
    // It is told with the next text that there is room for, or behind all.
    let (first, _) = queue.pop().expect("a text");
    assert_eq!(first.lost, 0);
    queue.push(event(2), b"a".to_vec());
    queue.push(event(2), b"b".to_vec());
    for _ in 0..2 {
        queue.push(event(3), text.clone());
    }
    let rest = drain(&mut queue);
    let lost: Vec<_> = rest.iter().map(|(site, lost, _)| (*site, *lost)).collect();
    let expected = [vec![(1, 0); fits - 1], vec![(2, 3), (3, 0), (3, 1)]].concat();
    assert_eq!(lost, expected);
    assert_eq!(rest[fits - 1].2, "ab");
    assert_eq!(rest[fits + 1].2, "");
}

#[test]
fn nobody_waits_for_a_client_but_who_has_to() {
    let (sent, all_sent) = mpsc::channel();
    let (take, taken) = mpsc::sync_channel::<()>(0);
    let taken = Mutex::new(taken);
    let mut printer = Printer::new(Arc::new(move |event, tail| {
        // Once nobody lets it take one by one, it takes all.
        let _ = taken.lock().expect("not poisoned").recv();
        sent.send((event, tail)).expect("somebody listens");
    }));
    let text = vec![b'x'; JOINED_LEN_MAX];
    for _ in 0..100 {
        printer.print(event(1), text.clone());
    }
    take.send(()).expect("it is waited for");
    drop(take);
    printer.flush();
    drop(printer);
    let (mut texts, mut lost) = (0, 0);
    for (event, tail) in all_sent {
        let AnyEvent::Printed(event) = event else { panic!("{event:?}") };
        lost += event.lost;
        texts += tail.len() / JOINED_LEN_MAX;
    }
    assert!(texts >= 10 && lost > 0, "{texts} texts, {lost} lost");
    assert_eq!(texts as u64 + lost, 100);
}
