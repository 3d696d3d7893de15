# What the stages debian12 and debian13 share.
# shellcheck shell=sh

# What a student types on the first evening: installs, builds, serves, talks.
first_evening() {
    step "the README's packages"
    inside "$(readme_commands 'Debian and Ubuntu' | sed 's/^sudo //')"
    copy_project "$root/root/socklab"
    copy_project "$root/home/student/mes programmes/socklab"
    inside "chown -R student: ~student"
    step "make run, and a conversation"
    attempt offline_student 'cd "mes programmes/socklab" && time tests/portable/talk make run'
}

# As root it installs what it needs.
test_as_root() {
    step "make test, as root"
    attempt inside 'cd ~/socklab && time make test'
}
