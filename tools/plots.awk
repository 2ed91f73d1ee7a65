# Makes gnuplot's SVG a figure for light and dark screens: its own colours are those for light ones, which whoever knows nothing of style sheets shows; a
# style sheet puts others in their place where the reader prefers dark. Variables: style, the file that says which (bench/figures/style.gp); title,
# what the figure shows; drawn, the command that draws it. Exit status 1: it has a colour that style does not list.
BEGIN {
	while ((getline line < style) > 0)
		if (split(line, word, " ") == 4 && word[1] == "#" && word[2] == "dark")
			dark[word[3]] = word[4]
}

# gnuplot writes colours as rgb(  9, 105, 218).
function hexadecimal(text,    channel) {
	while (match(text, /rgb\([ 0-9]+,[ 0-9]+,[ 0-9]+\)/)) {
		split(substr(text, RSTART + 4, RLENGTH - 5), channel, ",")
		text = substr(text, 1, RSTART - 1) sprintf("#%02x%02x%02x", channel[1], channel[2], channel[3]) substr(text, RSTART + RLENGTH)
	}
	gsub(/#000000/, "black", text)
	return text
}

function escaped(text) {
	gsub(/&/, "\\&amp;", text)
	gsub(/</, "\\&lt;", text)
	return text
}

function look(text,    attribute, colour) {
	while (match(text, /(stroke|fill|color)=["'][^"']*["']/)) {
		attribute = substr(text, RSTART, RLENGTH)
		colour = attribute
		sub(/^[a-z]*=./, "", colour)
		sub(/.$/, "", colour)
		if (colour != "none" && colour != "currentColor" && !(colour in dark)) {
			if (!failed)
				print "the colour " colour " is not in " style > "/dev/stderr"
			failed = 1
		}
		text = substr(text, RSTART + RLENGTH)
	}
}

function style_sheet(    colour) {
	print "<style>"
	print "@media (prefers-color-scheme: dark) {"
	for (colour in dark)
		printf "[fill=\"%s\"] { fill: %s } [stroke=\"%s\"] { stroke: %s } [color=\"%s\"] { color: %s }\n",
			colour, dark[colour], colour, dark[colour], colour, dark[colour] | "sort"
	close("sort")
	print "}"
	print "</style>"
}

{ $0 = hexadecimal($0); gsub(/ = '/, "='"); sub(/[ \t]+$/, "") }
/^$/ { next }
/<filter/ { skipping = 1 } # for text in boxes
skipping { if (/<\/filter>/) skipping = 0; next }
/^<title>Gnuplot/ { print "<title>" escaped(title) "</title>"; next }
/^<desc>/ { print "<desc>Drawn by " drawn "</desc>"; style_sheet(); next }
/^<rect x="0" y="0"/ { sub(/fill="none"/, "fill=\"white\"") }
/^<g fill="none" color=/ && !held { held = $0; next } # gnuplot writes many groups with nothing in them
held && /^<\/g>/ { held = ""; next }
held { look(held); print held; held = "" }
/^<g fill="none" color=/ { held = $0; next }
{ look($0); print }
END { exit failed }
