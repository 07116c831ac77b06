package slack

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"time"
)

// refusal is a no from Slack.
type refusal struct {
	status int
	code   string        // Slack's word for it, or what else it answered, in one line
	busy   bool          // it wants to be left alone
	after  time.Duration // for how long, where busy
	broken bool          // it is a fault of its own
}

// meanings says what Slack's words mean, by https://docs.slack.dev/reference/methods/chat.postMessage
// and https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks.
var meanings = map[string]string{
	"invalid_auth":                      "the bot's token is not valid",
	"not_authed":                        "the bot's token is not valid",
	"account_inactive":                  "the bot's token belongs to a deleted account",
	"token_expired":                     "the bot's token has expired",
	"token_revoked":                     "the bot's token was revoked",
	"missing_scope":                     "the bot's token lacks the scope chat:write",
	"channel_not_found":                 "the channel does not exist, or the bot may not see it",
	"not_in_channel":                    "the bot is not a member of the channel",
	"is_archived":                       "the channel is archived",
	"channel_is_archived":               "the channel is archived",
	"action_prohibited":                 "the workspace does not allow the webhook to post",
	"no_service":                        "the webhook does not exist any more",
	"no_service_id":                     "the webhook's URL is not complete",
	"no_active_hooks":                   "the webhook is disabled",
	"no_team":                           "the webhook's URL is of no workspace",
	"team_disabled":                     "the workspace is disabled",
	"invalid_token":                     "the webhook's URL is not valid",
	"posting_to_general_channel_denied": "the workspace does not allow it to post in #general",
}

// word is what Slack's words look like.
var word = regexp.MustCompile(`^[a-z][a-z_]{2,60}$`)

// Error says what Slack said and means.
func (r *refusal) Error() string {
	switch {
	case meanings[r.code] != "":
		return fmt.Sprintf("%s (%s)", meanings[r.code], r.code)
	case r.busy:
		return fmt.Sprintf("it wants to be left alone for %s", r.after)
	case word.MatchString(r.code):
		return "it says " + r.code
	case r.status == 200:
		return "it says no: " + r.code
	}
	// What else stands in such an answer is a page for people.
	return fmt.Sprintf("it answers with status %d", r.status)
}

// blocks reports whether Slack refuses what the message looks like, rather than
// the message.
func (r *refusal) blocks() bool {
	return slices.Contains([]string{
		"invalid_blocks", "invalid_blocks_format", "msg_blocks_too_long", "invalid_payload", "msg_too_long",
		"invalid_attachments", "too_many_attachments",
	}, r.code)
}

// gone reports whether the message that was to be gone on from is not there.
func gone(err error) bool {
	r, ok := errors.AsType[*refusal](err)
	return ok && slices.Contains([]string{"thread_not_found", "message_not_found", "cannot_reply_to_message"}, r.code)
}
