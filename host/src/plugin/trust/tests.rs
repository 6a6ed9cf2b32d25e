use super::{Reason, owned, unwritable};

#[test]
fn root_and_we_ourselves_may_own_a_plugin_and_nobody_else() {
    assert_eq!(owned(0, 1000), Ok(()));
    assert_eq!(owned(1000, 1000), Ok(()));
    assert_eq!(
        owned(1001, 1000),
        Err(Reason::Owner {
            owner: 1001,
            us: 1000
        })
    );
    assert_eq!(
        owned(1001, 0),
        Err(Reason::Owner { owner: 1001, us: 0 }),
        "not even for root"
    );
}

#[test]
fn only_the_forbidden_bits_count() {
    assert_eq!(unwritable(0o100755, 0o022), Ok(()));
    assert_eq!(unwritable(0o100775, 0o022), Err(Reason::Writable { mode: 0o775 }));
    assert_eq!(unwritable(0o040775, 0o002), Ok(()));
    assert_eq!(unwritable(0o041777, 0o000), Ok(()));
}
