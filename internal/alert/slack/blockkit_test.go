package slack_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// The rules of Block Kit for the blocks that messages here are made of, by
// https://docs.slack.dev/reference/block-kit: what is not named here is refused, as
// Slack refuses unknown fields and types.

type textObject struct {
	Type     string `json:"type"`
	Text     string `json:"text"`
	Emoji    *bool  `json:"emoji"`
	Verbatim *bool  `json:"verbatim"`
}

// inAll is how much text a message of ours holds, in UTF-16 units.
const inAll = 10_000

// tooLong is where Slack was seen to answer msg_blocks_too_long, in bytes of texts
// and the blocks around them: a divider alone counts for about 125.
const tooLong = 13_000

func units(text string) int { return len(utf16.Encode([]rune(text))) }

func strict(raw json.RawMessage, into any) error {
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.DisallowUnknownFields()
	return decoder.Decode(into)
}

// checkBlocks returns what Slack would say against some blocks.
func checkBlocks(raw json.RawMessage) error {
	var blocks []json.RawMessage
	if err := json.Unmarshal(raw, &blocks); err != nil {
		return err
	}
	if n := len(blocks); n < 1 || n > 50 {
		return fmt.Errorf("%d blocks, want 1 to 50", n)
	}
	all := 0
	for i, block := range blocks {
		n, err := checkBlock(block)
		if err != nil {
			return fmt.Errorf("block %d: %w: %.300s", i, err, block)
		}
		all += n
	}
	if all > inAll {
		return fmt.Errorf("%d characters in all, want at most %d", all, inAll)
	}
	if n := all + 60*len(blocks); n > tooLong {
		return fmt.Errorf("about %d with what blocks add, want at most %d", n, tooLong)
	}
	return nil
}

// checkBlock returns how many characters a block holds.
func checkBlock(raw json.RawMessage) (int, error) {
	var kind struct {
		Type string `json:"type"`
	}
	if err := json.Unmarshal(raw, &kind); err != nil {
		return 0, err
	}
	switch kind.Type {
	case "header":
		var b struct {
			Type string      `json:"type"`
			Text *textObject `json:"text"`
		}
		if err := strict(raw, &b); err != nil {
			return 0, err
		}
		return checkText(b.Text, 150, "plain_text")
	case "section":
		return checkSection(raw)
	case "context":
		var b struct {
			Type     string        `json:"type"`
			Elements []*textObject `json:"elements"`
		}
		if err := strict(raw, &b); err != nil {
			return 0, err
		}
		return checkTexts(b.Elements, 1, 10, 2000)
	case "divider":
		return 0, nil
	}
	return 0, fmt.Errorf("unknown type %q", kind.Type)
}

func checkSection(raw json.RawMessage) (int, error) {
	var b struct {
		Type   string        `json:"type"`
		Text   *textObject   `json:"text"`
		Fields []*textObject `json:"fields"`
	}
	if err := strict(raw, &b); err != nil {
		return 0, err
	}
	if b.Text == nil && len(b.Fields) == 0 {
		return 0, errors.New("neither text nor fields")
	}
	all := 0
	if b.Text != nil {
		n, err := checkText(b.Text, 3000, "plain_text", "mrkdwn")
		if err != nil {
			return 0, err
		}
		all += n
	}
	n, err := checkTexts(b.Fields, 0, 10, 2000)
	return all + n, err
}

func checkTexts(texts []*textObject, least, most, limit int) (int, error) {
	if n := len(texts); n < least || n > most {
		return 0, fmt.Errorf("%d texts, want %d to %d", n, least, most)
	}
	all := 0
	for _, t := range texts {
		n, err := checkText(t, limit, "plain_text", "mrkdwn")
		if err != nil {
			return 0, err
		}
		all += n
	}
	return all, nil
}

func checkText(t *textObject, limit int, kinds ...string) (int, error) {
	if t == nil {
		return 0, errors.New("no text")
	}
	if !strings.Contains(" "+strings.Join(kinds, " ")+" ", " "+t.Type+" ") {
		return 0, fmt.Errorf("a text of type %q, want one of %q", t.Type, kinds)
	}
	n := units(t.Text)
	if n < 1 || n > limit {
		return 0, fmt.Errorf("%d characters, want 1 to %d", n, limit)
	}
	if !utf8.ValidString(t.Text) {
		return 0, errors.New("no UTF-8")
	}
	switch {
	case t.Type == "plain_text" && t.Verbatim != nil:
		return 0, errors.New("verbatim in plain_text")
	case t.Type == "plain_text":
		return n, nil
	case t.Emoji != nil:
		return 0, errors.New("emoji in mrkdwn")
	case t.Verbatim == nil || !*t.Verbatim:
		return 0, errors.New("not verbatim: Slack would make links and mentions of what looks like them")
	}
	return n, checkMrkdwn(t.Text, limit)
}

var (
	entity = regexp.MustCompile(`&(amp|lt|gt);`)
	// statusLink is the only link that is ours.
	statusLink = regexp.MustCompile(`<https://backup\.example\.com/[!-~]*\|Status page>`)
)

// checkMrkdwn returns what is wrong with marked-up text: nothing in it may be a
// link, a mention or a command but the link to the status page.
func checkMrkdwn(text string, limit int) error {
	if units(text) > limit {
		return fmt.Errorf("%d characters, want at most %d", units(text), limit)
	}
	rest := entity.ReplaceAllString(statusLink.ReplaceAllString(text, ""), "")
	if i := strings.IndexAny(rest, "<>&"); i >= 0 {
		return fmt.Errorf("%q is live in %.200q", rest[i], text)
	}
	return nil
}
