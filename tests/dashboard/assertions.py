"""Where each of the 78 security assertions is tested (docs/security.md says them in words).

A test that carries its number in its name (`test_A1_…`, `test_D3_D5_…`) is found by itself. ELSEWHERE names tests of
other rooms that show it under a name of their own; PENDING says what each of the others waits for.
`test_security_checklist.py` fails when an assertion is in none of the three, or a named test is gone.
"""

from __future__ import annotations

ASSERTIONS = [
    *(f"A{n}" for n in range(1, 12)),
    *(f"B{n}" for n in range(1, 12)),
    *(f"C{n}" for n in range(1, 19)),
    *(f"D{n}" for n in range(1, 11)),
    *(f"E{n}" for n in range(1, 13)),
    *(f"F{n}" for n in range(1, 17)),
]

_TICKETS = "tests/consoles/test_tickets.py"
_SESSIONS = "tests/consoles/test_sessions.py"
_RELAY = "tests/consoles/vnc/test_relay.py"
_FILTER = "tests/consoles/vnc/test_rfb_filter.py"
_BROKER = "tests/consoles/text/test_broker.py"
_PROTOCOL = "tests/consoles/text/test_protocol.py"
_SHARED = "tests/consoles/text/test_shared_console.py"
_HOSTILE_XML = "tests/guests/hypervisor/test_domain_xml_hostile.py"
_NEW_GUEST = "tests/guests/hypervisor/test_new_guest.py"
_STREAMS = "tests/guests/hypervisor/test_streams_and_graphics.py"

ELSEWHERE: dict[str, list[str]] = {
    "B8": [
        f"{_SESSIONS}::test_a_lost_grant_reaches_the_console_by_the_feed",
        f"{_RELAY}::test_a_lost_right_ends_the_console_within_5_s",
    ],
    "C1": [
        f"{_TICKETS}::test_a_ticket_works_once",
        f"{_TICKETS}::test_of_many_concurrent_redeemers_one_wins",
        f"{_TICKETS}::test_a_ticket_expires",
        f"{_TICKETS}::test_only_the_hash_is_stored_and_a_token_has_256_bits",
    ],
    "C2": [
        "tests/consoles/vnc/test_views.py::test_a_ticket_is_not_for_get",
        "tests/consoles/vnc/test_views.py::test_a_ticket_needs_the_csrf_token",
        f"{_RELAY}::test_tickets_and_cookies_are_not_logged",
    ],
    "C3": [f"{_TICKETS}::test_a_ticket_is_bound", f"{_RELAY}::test_a_page_of_another_guest_is_refused"],
    "C4": [
        f"{_TICKETS}::test_a_ticket_expires",
        f"{_RELAY}::test_a_grant_that_went_between_ticket_and_socket_is_noticed",
    ],
    "C5": [
        f"{_STREAMS}::test_dials_the_port_of_the_live_definition",
        f"{_STREAMS}::test_a_guest_that_was_stopped_is_not_dialled",
    ],
    "C8": [
        f"{_RELAY}::test_a_frame_without_end_is_refused",
        f"{_PROTOCOL}::test_a_message_of_an_impossible_length_ends_the_connection",
    ],
    "C9": [f"{_BROKER}::test_input_over_the_rate_is_dropped_and_told"],
    "C10": [
        f"{_BROKER}::test_who_does_not_draw_holds_256_kib_and_nobody_else",
        f"{_RELAY}::test_a_stalled_browser_stops_the_reading_of_the_guest",
    ],
    "C11": [
        f"{_SESSIONS}::test_caps",
        f"{_SESSIONS}::test_a_crashed_server_s_records_are_ended_at_the_next_start",
        f"{_RELAY}::test_a_cap_is_told",
    ],
    "C13": [
        f"{_FILTER}::test_any_split_gives_the_same",
        f"{_FILTER}::test_a_watcher_s_picture_passes_and_nothing_else",
    ],
    "C14": [
        f"{_BROKER}::test_a_watcher_sees_and_cannot_type",
        f"{_BROKER}::test_a_watcher_who_claims_control_is_refused",
    ],
    "C15": [
        f"{_SHARED}::test_only_administrators_take_over_and_it_is_recorded",
        "tests/consoles/text/test_device.py::test_a_device_that_is_held_is_taken_by_force_once_and_never_fought_for",
        "tests/live/test_console_log.py::test_an_administrator_takes_a_console_over_and_never_fights_back",
    ],
    "C17": [
        f"{_SHARED}::test_a_console_ends_with_its_longest_time",
        f"{_SHARED}::test_who_says_to_be_here_puts_the_end_off",
        "tests/consoles/vnc/test_seats.py::test_a_console_ends_with_its_longest_time",
        "tests/consoles/vnc/test_seats.py::test_typing_and_moving_the_mouse_put_the_idle_end_off",
        f"{_SESSIONS}::test_a_console_ends_with_the_right_to_it",
    ],
    "C18": [f"{_FILTER}::test_a_controller_s_messages_pass_except_power"],
    "E2": [f"{_HOSTILE_XML}::test_any_name_that_xml_can_carry_comes_back_as_it_is"],
    "E3": [
        f"{_NEW_GUEST}::test_E3_a_name_that_is_not_plain_is_never_made",
        f"{_NEW_GUEST}::test_E3_a_plain_name_is_made",
    ],
    "E12": [
        f"{_STREAMS}::test_nothing_but_loopback_is_dialled_for_a_guest_of_this_machine",
        f"{_STREAMS}::test_nothing_but_the_host_is_dialled_for_a_remote_guest",
    ],
    "F9": [
        "tests/browser/test_text_console_tools.py::test_a_hostile_file_changes_neither_title_nor_clipboard",
        "tests/browser/test_text_console.py::test_hostile_output_reaches_nothing_outside_the_terminal",
    ],
    "F10": [
        "tests/consoles/text/test_log_views.py::test_nobody_else_reads_a_log",
        "tests/consoles/text/test_console_log.py::test_finished_parts_are_compressed_and_the_oldest_leave_at_the_cap",
        "tests/consoles/text/test_recorder.py::test_a_full_disk_ends_the_recording_says_so_and_delays_nobody",
        "tests/consoles/vnc/test_recordings.py::"
        "test_a_recording_holds_what_was_shown_and_how_it_was_wanted_and_nothing_typed",
        "tests/consoles/vnc/test_recordings.py::test_on_a_full_disk_the_console_goes_on_or_is_not_opened",
        "tests/consoles/vnc/test_recordings.py::test_a_recording_that_reached_its_size_ends_it_or_the_console",
        "tests/consoles/test_screen_recordings.py::test_who_may_not_watch_the_guest_finds_nothing",
    ],
    "F16": ["tests/dashboard/test_vendor.py::test_every_vendored_file_is_listed_with_its_hash"],
}

PENDING: dict[str, str] = {
    "E8": "hosts are named by the operator's environment only; pages do not take URIs yet",
    "E9": "as E8",
    "E10": "as E8",
    "F12": "file modes and separate users of the packaged units",
}
