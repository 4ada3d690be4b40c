"""Invented artists, albums, titles and listeners; genre by genre in the order of GENRES.

A genre's artist number n has album number n; its track number n has title number n.
"""

ARTISTS = (
    ("Moss Cathedral", "Fjordlys", "The Slow Elevators", "Señorita Niebla"),
    ("Disco Dentist", "Käpt'n Konfetti", "Aunt Vera's Basement", "Marble Parking"),
    ("Badger Velocity", "Null Island Rewind", "Kettle & Hyde", "Ångström Riot"),
    ("Les Trois Casseroles", "The Crooked Mile Quartet", "Żółty Rower", "Grandfather's Bellows"),
    ("Rusty Lungfish", "Big Mabel and the Invoices", "Crow Tax", "Los Dientes de Oro"),
    ("8-Bit Baker", "ピクセル商店街", "Cartridge Kitten", "Professor Overflow"),
)

ALBUMS = (
    ("Weather for Indoor Plants", "Nordlys på kassett", "Going Up, Eventually", "A domicilio"),
    ("Open Wide", "Tanzende Fracht", "Mind the Third Step", "Level Minus Two"),
    ("Sett in Motion", "Zero Degrees, Zero Minutes", "Boiling Point", "Tiny Distances"),
    ("À feu doux", "Stiles and Gates", "Pod górkę", "Wheeze"),
    ("Gill Permit", "Net Thirty", "Feathers Payable", "Sonrisa prestada"),
    ("Proofing Time", "夜の自動販売機", "Blow on It First", "Off by One"),
)

TITLES = (
    (
        "The Radiator Dreams of Whales",
        "Snø på antennen",
        "Between Floors",
        "Faro sin barco",
        "Lichen, Patiently",
        "Polar Night Shift",
        "Please Hold the Door",
        "Humo de té",
        "Six Inches of Fog",
        "Stillhet, takk",
        "Mezzanine for Nobody",
    ),
    (
        "Rinse and Repeat",
        "Konfettikanone",
        "Down Where the Boiler Is",
        "Ticket Machine Love",
        "Gold Crown",
        "Schiff ahoi um vier",
        "Vera Knows a Guy",
        "Exit Through the Ramp",
        "Floss (Extended Feelings)",
        "Glitzer im Getriebe",
        "Low Ceiling",
    ),
    (
        "Hedgerow at Full Tilt",
        "Buoy Station Zero",
        "Steam Whistle",
        "Röd fjäder",
        "Night Digger",
        "Missing Coordinates",
        "Jekyll Takes Sugar",
        "Nanometre Pressure",
        "Stripes",
        "Geocoder's Lament",
        "Limescale",
    ),
    (
        "Valse des cuillères",
        "Seven Gates to Hathersage",
        "Łańcuch i pedał",
        "The Button Box",
        "Le couvercle amoureux",
        "Wet Boots, Warm Pub",
        "Dzwonek babci",
        "Third Drawer Down",
        "Soupe à minuit",
        "Lambs on the Line",
        "Z górki na pazurki",
    ),
    (
        "Breathing Is Extra",
        "Past Due Woman",
        "Caw Before the Law",
        "Muela del diablo",
        "Mud on My Gills",
        "Carbon Copy Heart",
        "Shiny Things Levy",
        "Caries y carretera",
        "Lungfish Boogie",
        "Remit to Mabel",
        "Murder on the Telephone Wire",
    ),
    (
        "Sourdough Level 3",
        "カート坂",
        "Nine Lives, No Saves",
        "Stack Smash Serenade",
        "Oven Boss",
        "ネオン雨",
        "Meow Mode",
        "Integer Waltz in 4/4",
        "Croissant Power-Up",
        "コイン・ラブ",
        "Hairball Highscore",
    ),
)

LISTENERS = (
    "Ada Okonkwo", "Bao Nguyen", "Chloé Marchand", "Dmitri Volkov", "Esra Şahin",
    "Femi Adeyemi", "Greta Lindqvist", "Hana Kobayashi", "Iker Etxeberria", "Jana Nováková",
    "Kofi Mensah", "Léa Fontaine", "Mateo Quiroga", "Nadia Haddad", "Oisín Byrne",
    "Priya Raman", "Quentin Dubois", "Rosa Almeida", "Søren Kjær", "Tomasz Zieliński",
    "Uma Devi", "Viktor Horváth", "Wanjiru Kamau", "Ximena Paredes", "Yusuf Demir",
    "Zuzana Kováčová", "Anders Berg", "Beatriz Lopes", "Cem Öztürk", "Dagný Jónsdóttir",
    "Elif Kaya", "Farid Rahimi", "Giulia Conti", "Hugo Peeters", "Ines Barbosa",
    "Jonas Weiß", "Kirsi Mäkelä", "Lucía Herrera", "Milan Petrović", "Noor van Dijk",
)  # fmt: skip
